namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>The words in which a vocabulary is written down.</summary>
internal static class Rules
{
    /// <summary>A module that both namings call alike.</summary>
    public static NameRule Same(string name) => Of(name, name);

    /// <summary>A module by both its names.</summary>
    public static NameRule Of(string original, string diffusers) => new(original, [diffusers], RowDivision.Whole);

    /// <summary>A module by both its names whose rows may have another order.</summary>
    public static NameRule Of(string original, string diffusers, RowDivision division) => new(original, [diffusers], division);

    /// <summary>A weight that diffusers has as several.</summary>
    public static NameRule Fused(string original, RowDivision division, params string[] diffusers) => new(original, diffusers, division);

    /// <summary>A normalisation, whose weight the original calls <c>scale</c>.</summary>
    public static NameRule Scale(string original, string diffusers) => Of(original, diffusers) with { OriginalParameter = "scale" };

    /// <summary>The same with ComfyUI's name for it.</summary>
    public static NameRule InComfy(this NameRule rule, string comfy) => rule with { Comfy = comfy };

    /// <summary>The two linear layers of an MLP that the original has as a sequence.</summary>
    public static IEnumerable<NameRule> Mlp(string original, string diffusers) => [Of(original + ".0", diffusers + ".linear_1"), Of(original + ".2", diffusers + ".linear_2")];

    /// <summary>Rules below a module of each naming.</summary>
    public static IEnumerable<NameRule> Under(string original, string diffusers, params IEnumerable<NameRule> rules) => rules.Select(rule => rule with
    {
        Original = original + rule.Original,
        Comfy = rule.Comfy is null ? null : original + rule.Comfy,
        Diffusers = [.. rule.Diffusers.Select(name => diffusers + name)],
    });
}

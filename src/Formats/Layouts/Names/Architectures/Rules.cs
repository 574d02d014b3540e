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

    /// <summary>Rules below a module of each naming.</summary>
    public static IEnumerable<NameRule> Under(string original, string diffusers, params IEnumerable<NameRule> rules) => rules.Select(rule => rule with
    {
        Original = original + rule.Original,
        Diffusers = [.. rule.Diffusers.Select(name => diffusers + name)],
    });
}

namespace LoraKit.Formats.Layouts.Names;

/// <summary>
/// One weight of the original model, and what diffusers makes of it. Names are patterns: <c>#</c> stands for a number, the same numbers in the same order on
/// both sides.
/// </summary>
/// <param name="Original">The original's module.</param>
/// <param name="Diffusers">diffusers' modules, in the order of the original's rows.</param>
/// <param name="Division">Whose rows are whose.</param>
internal sealed record NameRule(string Original, IReadOnlyList<string> Diffusers, RowDivision Division)
{
    /// <summary>How the original calls the parameter that diffusers calls <c>weight</c>.</summary>
    public string OriginalParameter { get; init; } = "weight";

    /// <summary>ComfyUI's module, where it has another name than the original's.</summary>
    public string? Comfy { get; init; }

    /// <summary>Whether diffusers has several modules in place of the original's one.</summary>
    public bool IsFused => Diffusers.Count > 1;

    /// <summary>The modules by a naming's names.</summary>
    public IReadOnlyList<string> Modules(Naming naming) => naming switch
    {
        Naming.Original => [Original],
        Naming.Comfy => [Comfy ?? Original],
        _ => Diffusers,
    };

    /// <summary>A module with its numbers in place.</summary>
    public string Name(Naming naming, int module, IReadOnlyList<string> numbers) => NamePattern.Fill(Modules(naming)[module], numbers);
}

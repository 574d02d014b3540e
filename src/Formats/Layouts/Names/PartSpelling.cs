namespace LoraKit.Formats.Layouts.Names;

/// <summary>How a layout spells the modules of a part: a prefix, whose names, and dots or <c>_</c>.</summary>
/// <param name="Prefix">What the name begins with.</param>
/// <param name="Naming">Whose names.</param>
/// <param name="IsFlattened">Whether <c>_</c> stands for dots.</param>
internal sealed record PartSpelling(string Prefix, Naming Naming, bool IsFlattened)
{
    /// <summary>A module's whole name.</summary>
    public string Spell(string module) => Prefix + (IsFlattened ? NamePattern.Flatten(module) : module);
}

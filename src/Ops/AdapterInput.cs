using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops;

/// <summary>One adapter of a merge or a stack.</summary>
/// <param name="Path">A folder or a file.</param>
/// <param name="Weight">What its updates are multiplied with, on top of their own scale; may be negative, must be finite.</param>
public sealed record AdapterInput(string Path, double Weight = 1)
{
    /// <summary>How to read what its files leave open.</summary>
    public AdapterReadOptions Reading { get; init; } = AdapterReadOptions.Default;

    /// <summary>What is known of its base: what the user said, and for the rest what the base says.</summary>
    /// <param name="base">The base's word; null for none.</param>
    internal BaseFacts? Known(BaseFacts? @base) => Reading.Base is { } said && @base is not null ? said.Or(@base) : Reading.Base ?? @base;

    /// <summary>Opens it by what is known of its base.</summary>
    /// <param name="base">The base's word; null for none.</param>
    /// <param name="layout">The layout it is read by; null to find out.</param>
    internal Adapter Open(BaseFacts? @base, string? layout = null) => AdapterLayouts.Open(Path, Reading with { Base = Known(@base) }, layout);

    /// <summary>The same with an open base.</summary>
    internal Adapter Open(Checkpoint @base) => Open(@base.Facts);
}

using LoraKit.Formats.Layouts;

namespace LoraKit.Ops;

/// <summary>One adapter of a merge or a stack.</summary>
/// <param name="Path">A folder or a file.</param>
/// <param name="Weight">What its updates are multiplied with, on top of their own scale; may be negative, must be finite.</param>
public sealed record AdapterInput(string Path, double Weight = 1)
{
    /// <summary>How to read what its files leave open.</summary>
    public AdapterReadOptions Reading { get; init; } = AdapterReadOptions.Default;
}

namespace LoraKit.Models;

/// <summary>A tensor of normal values, or of given whole numbers.</summary>
internal sealed record RandomTensor(string Name, long[] Shape, double Deviation, double Mean = 0)
{
    /// <summary>What it holds instead, as I32; null for normal values.</summary>
    public Func<int[]>? Integers { get; init; }
}

namespace LoraKit.Ops.Verify;

/// <summary>What to check.</summary>
/// <param name="Path">An adapter or checkpoint, folder or file.</param>
public sealed record VerifyOptions(string Path)
{
    /// <summary>Also checks that it is this base with <see cref="Adapters"/> merged in; null does not.</summary>
    public string? Base { get; init; }

    /// <summary>The adapters of <see cref="Base"/>, each with its weight; at least one where there is a base, else none.</summary>
    public IReadOnlyList<AdapterInput> Adapters { get; init; } = [];

    /// <summary>The merge may have left out adapter modules without a place in the base.</summary>
    public bool AllowUnmatched { get; init; }

    /// <summary>Also checks files against their SHA-256, listed as <c>sha256sum</c> prints it; null does not.</summary>
    public string? Manifest { get; init; }

    /// <summary>How many threads read; 0 takes one per processor.</summary>
    public int Threads { get; init; }

    /// <summary>Elements that are computed at once by a thread; for tests.</summary>
    internal int TileElements { get; init; } = 1 << 17;
}

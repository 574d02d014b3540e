using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Diff;

/// <summary>What to compare.</summary>
public sealed record DiffOptions
{
    /// <summary>An adapter or checkpoint, folder or file: what differences are measured against.</summary>
    public required string A { get; init; }

    /// <summary>What is compared with it; of the same kind.</summary>
    public required string B { get; init; }

    /// <summary>What is known of the adapters beyond their files, of both.</summary>
    public AdapterReadOptions Reading { get; init; } = AdapterReadOptions.Default;

    /// <summary>How many threads read and compare; 0 takes one per processor.</summary>
    public int Threads { get; init; }

    /// <summary>Elements that are compared at once by a thread, a multiple of 8; for tests.</summary>
    internal int PieceElements { get; init; } = 1 << 17;
}

using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Rescale;

/// <summary>Which adapter to rescale, and how.</summary>
public sealed record RescaleOptions
{
    /// <summary>A folder or a file.</summary>
    public required string Adapter { get; init; }

    /// <summary>Where and how the result is written. Factors keep their bytes unless the scale is folded into them.</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>What the scales become; null leaves them, for <see cref="Fold"/> or <see cref="FixSplitQkv"/> alone.</summary>
    public RescaleAmount? Amount { get; init; }

    /// <summary>Puts the scale into B, so that alpha is the rank.</summary>
    public bool Fold { get; init; }

    /// <summary>First gives the fused projections of kohya Flux files trained with <c>split_qkv</c> the alpha they lack: 3 or 4 times theirs.</summary>
    public bool FixSplitQkv { get; init; }

    /// <summary>Only modules whose name this regular expression matches; null takes all.</summary>
    public string? Include { get; init; }

    /// <summary>No modules whose name this regular expression matches; null leaves none out.</summary>
    public string? Exclude { get; init; }

    /// <summary>How many threads compute; 0 takes one per processor.</summary>
    public int Threads { get; init; }
}

using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Adapters;

/// <summary>What an adapter's alpha is divided by: scale = α/r, or α/√r where it is rank-stabilized (rsLoRA). Seen from its numbers.</summary>
/// <param name="Stabilized">Whether it is √r.</param>
internal readonly record struct AlphaRule(bool Stabilized)
{
    /// <summary>The rule that explains the modules' alphas and scales.</summary>
    public static AlphaRule Of(IEnumerable<LowRankDelta> modules) => new(modules.Any(IsStabilized));

    /// <summary>r or √r.</summary>
    public double Divisor(long rank) => Stabilized ? Math.Sqrt(rank) : rank;

    private static bool IsStabilized(LowRankDelta module) =>
        module.Rank > 1 && module.Alpha != 0
        && Math.Abs((module.Scale * Math.Sqrt(module.Rank)) - module.Alpha) < Math.Abs((module.Scale * module.Rank) - module.Alpha);
}

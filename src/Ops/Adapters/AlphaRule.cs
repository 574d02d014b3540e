using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Adapters;

/// <summary>What an adapter's alpha is divided by: scale = α/r, or α/√r where it is rank-stabilized (rsLoRA). Seen from its numbers.</summary>
/// <param name="Stabilized">Whether it is √r.</param>
internal readonly record struct AlphaRule(bool Stabilized)
{
    /// <summary>The rule that explains the modules' alphas and scales.</summary>
    public static AlphaRule Of(IEnumerable<LowRankDelta> modules)
    {
        LowRankDelta[] telling = [.. modules.Where(m => m.Rank > 1 && m.Alpha != 0 && m.Scale != 0)];
        return new(telling.Length > 0 && telling.All(m => IsNear(m.Alpha / m.Scale, Math.Sqrt(m.Rank))));
    }

    /// <summary>r or √r.</summary>
    public double Divisor(long rank) => Stabilized ? Math.Sqrt(rank) : rank;

    /// <summary>That of a module as it was read: of a Tucker decomposition it is another rank than that of B.</summary>
    public double Divisor(LowRankDelta module)
    {
        double quotient = module.Alpha / module.Scale;
        return double.IsFinite(quotient) && quotient >= 1 && IsNear(quotient, Math.Round(quotient)) ? Math.Round(quotient) : Divisor(module.Rank);
    }

    private static bool IsNear(double value, double expected) => Math.Abs(value - expected) <= 1e-9 * expected;
}

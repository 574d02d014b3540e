namespace LoraKit.Formats.Adapters;

/// <summary>How a rotation is made of a skew-symmetric Q.</summary>
public enum OftSeries : byte
{
    /// <summary>(I − Q)(I + Q)⁻¹.</summary>
    Cayley,

    /// <summary>I + 2Q + 2Q² + … with the last power once (PEFT since 0.18). It approximates the transpose of <see cref="Cayley"/>.</summary>
    Neumann,

    /// <summary>I + 2Q + … + 2Qⁿ⁻¹ (PEFT 0.16 and 0.17).</summary>
    DoubledNeumann,
}

/// <summary>What OFT's configuration says of its blocks.</summary>
public sealed record OftParametrization
{
    /// <summary>How a rotation is made of Q.</summary>
    public OftSeries Series { get; init; } = OftSeries.Cayley;

    /// <summary>n of a Neumann series, I included.</summary>
    public long Terms { get; init; } = 5;

    /// <summary>Constrained OFT: no block's Q is longer (Frobenius) than this divided by the root of how many blocks are stored; null for any length.</summary>
    public double? Constraint { get; init; }

    /// <summary>Whether one stored block stands for all.</summary>
    public bool IsShared { get; init; }
}

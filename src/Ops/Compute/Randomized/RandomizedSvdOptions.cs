using LoraKit.Formats;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>How many singular values, and how carefully. Exactly one of <see cref="Rank"/>, <see cref="Energy"/> and <see cref="MaxError"/> is set.</summary>
public sealed record RandomizedSvdOptions
{
    /// <summary>So many values, or as many as the matrix has.</summary>
    public int? Rank { get; init; }

    /// <summary>The fewest values that keep this fraction of ‖X‖²_F: above 0, at most 1.</summary>
    public double? Energy { get; init; }

    /// <summary>The fewest values whose error is at most this fraction of ‖X‖_F: at least 0, below 1.</summary>
    public double? MaxError { get; init; }

    /// <summary>How many more directions are sketched than are kept; rounded up to fill registers.</summary>
    public int Oversampling { get; init; } = 10;

    /// <summary>How often the sketch is multiplied by XᵀX.</summary>
    public int PowerIterations { get; init; } = 2;

    /// <summary>What the test matrix is made from; the result is a function of the matrix and the options alone.</summary>
    public ulong Seed { get; init; }

    /// <summary>How many threads; 0 takes one per processor. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>Register width, for tests; null takes the widest. The result does not depend on it.</summary>
    internal SimdWidth? Width { get; init; }

    /// <exception cref="InvalidOptionException">A value is out of range, or not exactly one bound is set.</exception>
    internal void Check()
    {
        int bounds = (Rank is null ? 0 : 1) + (Energy is null ? 0 : 1) + (MaxError is null ? 0 : 1);
        if (bounds != 1) throw new InvalidOptionException($"{bounds} of rank, energy and maximum error are given; expected exactly one");
        if (Rank < 1) throw new InvalidOptionException($"the rank is {Rank}; expected 1 or more");
        if (Energy is { } energy && !(energy > 0 && energy <= 1)) throw new InvalidOptionException($"the energy is {energy}; expected a fraction above 0, at most 1");
        if (MaxError is { } error && !(error >= 0 && error < 1)) throw new InvalidOptionException($"the maximum error is {error}; expected a fraction from 0 to below 1");
        if (Oversampling < 0) throw new InvalidOptionException($"the oversampling is {Oversampling}; expected 0 or more");
        if (PowerIterations < 1) throw new InvalidOptionException($"there are {PowerIterations} power iterations; expected 1 or more");
        if (Threads < 0) throw new InvalidOptionException($"the number of threads is {Threads}; expected 0 (all) or more");
    }
}

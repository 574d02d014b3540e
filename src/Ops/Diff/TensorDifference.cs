namespace LoraKit.Ops.Diff;

/// <summary>What a comparison of one tensor, or of one module's update, comes to.</summary>
public enum DiffStatus : byte
{
    /// <summary>Every bit is the same; of updates: the same but for the rounding of F64 sums.</summary>
    Equal,

    /// <summary>Values differ.</summary>
    Different,

    /// <summary>The element types differ; values are compared as numbers.</summary>
    DType,

    /// <summary>The shapes differ (or the rows that an adapter replaces); nothing is compared.</summary>
    Shape,

    /// <summary>B has none of that name.</summary>
    OnlyInA,

    /// <summary>A has none of that name.</summary>
    OnlyInB,
}

/// <summary>How a tensor, or a module's update ΔW, of B differs from that of A.</summary>
public sealed record TensorDifference
{
    /// <summary>The tensor's name; of an update the module's, with the parameter's where that is not <c>weight</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it comes to.</summary>
    public required DiffStatus Status { get; init; }

    /// <summary>What the status is about, in words: two types or shapes; null where there is nothing to say.</summary>
    public string? Detail { get; init; }

    /// <summary>The largest |a − b|; null where none can be told (only on one side, NaN or infinity, no real numbers).</summary>
    public double? MaxAbs { get; init; }

    /// <summary>‖A − B‖ / ‖A‖ in Frobenius norms; null where it cannot be told, or A is zero and B is not.</summary>
    public double? Relative { get; init; }

    /// <summary>
    /// How far apart, at most, in representable values of the element type both have; null for updates, for two types, and where a NaN differs. A negative zero
    /// is no distance from a positive one.
    /// </summary>
    public ulong? MaxUlp { get; init; }

    /// <summary>⟨A, B⟩ / (‖A‖·‖B‖); null where it cannot be told or a side is zero.</summary>
    public double? Cosine { get; init; }

    /// <summary>How many elements differ.</summary>
    public long Differing { get; init; }

    /// <summary>How many elements were compared.</summary>
    public long Count { get; init; }

    /// <summary>
    /// How many elements are how far apart: keys are 0 (zeros of two signs), 1, 2, 4, 8, …, each for what is above the key before and up to it. Elements that are
    /// equal or NaN are not in it. Empty where <see cref="MaxUlp"/> has no meaning.
    /// </summary>
    public IReadOnlyDictionary<ulong, long> UlpHistogram { get; init; } = new SortedDictionary<ulong, long>();

    /// <summary>Whether the difference is at most a tolerance: there is one, and ‖A − B‖ ≤ tolerance · ‖A‖.</summary>
    public bool IsWithin(double tolerance) => Relative <= tolerance;
}

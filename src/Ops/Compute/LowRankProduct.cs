using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Ops.Compute;

/// <summary>
/// What a tensor's low-rank updates come to, in the orientation in which the tensor is stored: Left [rows, r] · Right [r, columns],
/// scales and weights folded into Left. Several updates of one tensor are one product of their summed rank. Either both
/// factors are singles or, for a F64 base, both are doubles.
/// </summary>
public sealed class LowRankProduct
{
    /// <summary>A product in singles.</summary>
    public LowRankProduct(long rows, int columns, int rank, float[] left, float[] right)
        : this(rows, columns, rank)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(left.LongLength, rows * rank);
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.LongLength, (long)rank * columns);
        LeftSingle = left;
        RightSingle = right;
    }

    /// <summary>A product in doubles.</summary>
    public LowRankProduct(long rows, int columns, int rank, double[] left, double[] right)
        : this(rows, columns, rank)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(left.LongLength, rows * rank);
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.LongLength, (long)rank * columns);
        LeftDouble = left;
        RightDouble = right;
    }

    private LowRankProduct(long rows, int columns, int rank) => (Rows, Columns, Rank) = (rows, columns, rank);

    /// <summary>Rows of the stored tensor.</summary>
    public long Rows { get; }

    /// <summary>Columns of the stored tensor, all trailing dimensions together.</summary>
    public int Columns { get; }

    /// <summary>Terms per element; may be 0.</summary>
    public int Rank { get; }

    /// <summary>Whether the factors are doubles.</summary>
    public bool IsDouble => LeftDouble is not null;

    /// <summary>Bounds of the sums' terms, of a product in doubles.</summary>
    internal FactorNorms Norms() => new(LeftDouble!, RightDouble!, Rows, Columns);

    /// <summary>[rows, r], row-major; null for a product in doubles.</summary>
    public float[]? LeftSingle { get; }

    /// <summary>[r, columns], row-major; null for a product in doubles.</summary>
    public float[]? RightSingle { get; }

    /// <summary>[rows, r], row-major; null for a product in singles.</summary>
    public double[]? LeftDouble { get; }

    /// <summary>[r, columns], row-major; null for a product in singles.</summary>
    public double[]? RightDouble { get; }
}

using LoraKit.Formats;

namespace LoraKit.Ops.Compute.Svd;

/// <summary>
/// Left = Q_l·R_l, Rightᵀ = Q_r·R_r (<see cref="ThinQr"/>), R_l·R_rᵀ = P·diag(σ)·Wᵀ (<see cref="JacobiSvd"/>); U = Q_l·P, V = Q_r·W. In F64, on
/// one thread, with the same bytes at every width.
/// </summary>
internal sealed class FactoredSvd : ILowRankSvd
{
    private readonly ThinQr _left;
    private readonly ThinQr _right;

    /// <summary>P and W, [·, count], row-major.</summary>
    private readonly (double[] Left, double[] Right) _core;

    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or the product is beyond the range of F64.</exception>
    /// <exception cref="UnsupportedException">It is larger than arrays are.</exception>
    public FactoredSvd(LowRankProduct product, VectorLoops loops)
    {
        RequireSize(product);
        (int rows, int columns, int rank) = ((int)product.Rows, product.Columns, product.Rank);
        TallMatrix left = product.IsDouble
            ? TallMatrix.Of<double>(product.LeftDouble, rows, rank, rank, 1)
            : TallMatrix.Of<float>(product.LeftSingle, rows, rank, rank, 1);
        TallMatrix right = product.IsDouble
            ? TallMatrix.Of<double>(product.RightDouble, columns, rank, 1, columns)
            : TallMatrix.Of<float>(product.RightSingle, columns, rank, 1, columns);
        if (product.IsDouble)
        {
            left.TameColumns();
            right.TameColumns();
        }

        _left = new ThinQr(left, loops);
        _right = new ThinQr(right, loops);
        RequireFinite(_left.R, "left");
        RequireFinite(_right.R, "right");
        bool isWide = _left.Size < _right.Size;
        (ThinQr tall, ThinQr small) = isWide ? (_right, _left) : (_left, _right);
        double[] core = CoreProduct.Of(small, tall, loops, out int exponent);
        JacobiSvd svd = new(core, tall.Size, small.Size, loops);
        _core = isWide ? (svd.Right, svd.Left) : (svd.Left, svd.Right);
        SingularValues = SvdRange.SingularValues(svd.SingularValues, exponent);
    }

    public IReadOnlyList<double> SingularValues { get; }

    public SingularVectors Take(int rank)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, SingularValues.Count);
        int stride = SingularValues.Count;
        return new SingularVectors(rank, _left.Multiply(_core.Left, rank, stride), _right.Multiply(_core.Right, rank, stride));
    }

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }

    /// <summary>Both factors and the core with its two bases are arrays, filled up to whole panels.</summary>
    private static void RequireSize(LowRankProduct product)
    {
        const int Slack = VectorLoops.Width;
        Int128 stride = (Int128)product.Rank + Slack, longer = Math.Max(product.Rows, product.Columns), shorter = Math.Min(product.Rows, product.Columns);
        (Int128 tall, Int128 small) = (Int128.Min(stride, longer) + Slack, Int128.Min(stride, shorter) + Slack);
        if (Int128.Max((longer + Slack) * stride, small * (tall + small)) <= Array.MaxLength) return;
        throw new UnsupportedException(
            $"the decomposition of a product of rank {product.Rank} with {product.Rows} rows and {product.Columns} columns does not fit in memory; reduce the rank first");
    }

    /// <summary>What is not finite in a column of a matrix is not finite in R either.</summary>
    private static void RequireFinite(double[] r, string factor)
    {
        if (!Array.TrueForAll(r, double.IsFinite)) throw SvdRange.NotFinite(factor);
    }
}

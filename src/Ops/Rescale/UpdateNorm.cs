using System.Numerics;
using LoraKit.Formats.Adapters;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Rescale;

/// <summary>
/// ‖s·B·A‖ (Frobenius) from the factors: ‖B·A‖² = Σ (BᵀB) ∘ (A·Aᵀ), two matrices of r × r, in F64; where r is so high that B·A is
/// smaller than that, row by row of B·A. Nothing of size out × in exists. See spec/algebra.md, "rescale".
/// </summary>
internal static class UpdateNorm
{
    /// <summary>The norm of one update, scale included.</summary>
    public static double Of(AdapterDelta delta) => delta switch
    {
        LowRankDelta lowRank => Math.Abs(lowRank.Scale) * OfProduct(DeltaProduct.Of(lowRank)),
        DenseDelta dense => Math.Abs(dense.Scale) * FrobeniusNorm.Of(ScaledValues.Of(dense.Values, 1)),
        _ => throw new ArgumentException($"{delta.Kind} has no factors", nameof(delta)),
    };

    private static double OfProduct(LowRankProduct product)
    {
        (double[] up, double[] down) = (product.LeftDouble!, product.RightDouble!);
        (double upSize, double downSize) = (Normalise(up), Normalise(down));
        // Of a rank that high, B·A has fewer elements than the factors have, and r × r is more than either.
        bool isHigh = product.Rank * (product.Rows + product.Columns) > product.Rows * product.Columns;
        double sum = isHigh ? SquareByRows(up, down, product.Rank, product.Columns) : SquareByGrams(up, down, product.Rank, product.Columns);
        return Math.Sqrt(sum) * upSize * downSize;
    }

    private static double SquareByGrams(double[] up, double[] down, int rank, int columns)
    {
        double[] left = GramOfColumns(up, rank);
        double[] right = GramOfRows(down, rank, columns);
        double sum = 0;
        for (int i = 0; i < left.Length; i++) sum += left[i] * right[i];
        // Where B·A all but cancels, the sum may round below zero.
        return Math.Max(sum, 0);
    }

    private static double SquareByRows(double[] up, double[] down, int rank, int columns)
    {
        double sum = 0;
        double[] row = new double[columns];
        for (int first = 0; first < up.Length; first += rank)
        {
            Array.Clear(row);
            for (int k = 0; k < rank; k++) AddScaled(row, down.AsSpan(k * columns, columns), up[first + k]);
            sum += DotProduct.Of(row, row);
        }

        return sum;
    }

    /// <summary>MᵀM of a matrix of rows of <paramref name="rank"/> values.</summary>
    private static double[] GramOfColumns(double[] matrix, int rank)
    {
        double[] gram = new double[rank * rank];
        for (int row = 0; row < matrix.Length; row += rank)
        {
            ReadOnlySpan<double> values = matrix.AsSpan(row, rank);
            for (int i = 0; i < rank; i++) AddScaled(gram.AsSpan(i * rank, rank), values, values[i]);
        }

        return gram;
    }

    /// <summary>M·Mᵀ of a matrix of <paramref name="rank"/> rows.</summary>
    private static double[] GramOfRows(double[] matrix, int rank, int columns)
    {
        double[] gram = new double[rank * rank];
        for (int i = 0; i < rank; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                gram[(i * rank) + j] = gram[(j * rank) + i] = DotProduct.Of(matrix.AsSpan(i * columns, columns), matrix.AsSpan(j * columns, columns));
            }
        }

        return gram;
    }

    /// <summary>Divides by the power of two at the largest magnitude, exactly, so that no square overflows or vanishes; returns it.</summary>
    private static double Normalise(double[] values)
    {
        double largest = 0;
        foreach (double value in values) largest = Math.Max(largest, Math.Abs(value));
        if (largest == 0) return 1;
        int exponent = Math.ILogB(largest);
        for (int i = 0; i < values.Length; i++) values[i] = Math.ScaleB(values[i], -exponent);
        return Math.ScaleB(1, exponent);
    }

    private static void AddScaled(Span<double> sums, ReadOnlySpan<double> values, double factor)
    {
        int i = 0;
        for (; i <= values.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> sum = new(sums[i..]);
            Vector.FusedMultiplyAdd(new Vector<double>(values[i..]), new Vector<double>(factor), sum).CopyTo(sums[i..]);
        }

        for (; i < values.Length; i++) sums[i] = Math.FusedMultiplyAdd(values[i], factor, sums[i]);
    }
}

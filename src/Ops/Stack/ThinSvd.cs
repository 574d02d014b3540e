using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack;

/// <summary>
/// X = U·diag(σ)·Vᵀ over the numerical rank of X: directions that only rounding has made are left out, for whatever a method does with
/// them would be arbitrary. Of each pair of vectors, u's entry of largest magnitude is positive.
/// </summary>
/// <param name="U">[rows, k], orthonormal columns.</param>
/// <param name="Sigma">k positive values, descending.</param>
/// <param name="V">[columns, k], orthonormal columns.</param>
internal sealed record ThinSvd(Matrix U, double[] Sigma, Matrix V)
{
    public int Rank => Sigma.Length;

    /// <summary>Of a product.</summary>
    public static ThinSvd Of(Matrix left, Matrix right, ICompute compute)
    {
        using ILowRankSvd svd = Decompose(left, right, compute);
        return Take(svd, left.Rows, right.Columns, NumericalRank(svd.SingularValues, left.Rows, right.Columns));
    }

    /// <summary>Of a matrix with few columns.</summary>
    public static ThinSvd Of(Matrix tall, ICompute compute) => Of(tall, Matrix.Identity(tall.Columns), compute);

    public static ILowRankSvd Decompose(Matrix left, Matrix right, ICompute compute) =>
        compute.Decompose(new LowRankProduct(left.Rows, right.Columns, left.Columns, left.Values, right.Values));

    /// <summary>How many singular values are more than rounding errors of the largest: σ &gt; max(rows, columns)·2⁻⁵²·σ₀.</summary>
    public static int NumericalRank(IReadOnlyList<double> sigma, int rows, int columns)
    {
        double least = sigma.Count == 0 ? 0 : Math.Max(rows, columns) * Math.ScaleB(sigma[0], -52);
        return sigma.Count(value => value > least);
    }

    /// <summary>The vectors of the largest values.</summary>
    public static ThinSvd Take(ILowRankSvd svd, int rows, int columns, int rank)
    {
        SingularVectors vectors = svd.Take(rank);
        return Oriented(new(rows, rank, vectors.Left), [.. svd.SingularValues.Take(rank)], new(columns, rank, vectors.Right));
    }

    /// <summary>With signs decided; the matrices are changed.</summary>
    public static ThinSvd Oriented(Matrix u, double[] sigma, Matrix v)
    {
        for (int k = 0; k < sigma.Length; k++)
        {
            double largest = 0;
            for (int i = 0; i < u.Rows; i++)
            {
                if (Math.Abs(u[i, k]) > Math.Abs(largest)) largest = u[i, k];
            }

            if (largest >= 0) continue;
            Negate(u, k);
            Negate(v, k);
        }

        return new ThinSvd(u, sigma, v);
    }

    private static void Negate(Matrix matrix, int column)
    {
        for (int i = 0; i < matrix.Rows; i++) matrix.Values[(i * matrix.Columns) + column] *= -1;
    }
}

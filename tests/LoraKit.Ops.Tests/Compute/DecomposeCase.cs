using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>Products to decompose, and the check of what came out by naive loops.</summary>
internal static class DecomposeCase
{
    /// <summary>Uniform factors in doubles.</summary>
    public static LowRankProduct Random(int rows, int columns, int rank)
    {
        Random random = new((rows * 31) + columns);
        return new(rows, columns, rank, Values(rows * rank), Values(rank * columns));

        double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextDouble() - 0.5)];
    }

    /// <summary>Factors of a matrix whose singular values are given: both are orthonormal by Gram and Schmidt, turned into each other's way.</summary>
    public static LowRankProduct WithSpectrum(int rows, int columns, double[] spectrum)
    {
        int rank = spectrum.Length;
        double[] u = Orthonormal(rows, rank, 1), v = Orthonormal(columns, rank, 2), turn = Orthonormal(rank, rank, 3);
        double[] left = new double[rows * rank];
        double[] right = new double[rank * columns];
        for (int k = 0; k < rank; k++)
        {
            for (int l = 0; l < rank; l++)
            {
                for (int i = 0; i < rows; i++) left[(i * rank) + k] += u[(i * rank) + l] * spectrum[l] * turn[(l * rank) + k];
                for (int j = 0; j < columns; j++) right[(k * columns) + j] += turn[(l * rank) + k] * v[(j * rank) + l];
            }
        }

        return new(rows, columns, rank, left, right);
    }

    /// <summary>Term k of the result is <c>Factor</c> times the left column <c>Source</c>, times the right row k.</summary>
    public static LowRankProduct Columns(LowRankProduct product, Func<int, (int Source, double Factor)> map)
    {
        double[] left = [.. product.LeftDouble!.Select((_, i) =>
        {
            (int source, double factor) = map(i % product.Rank);
            return factor * product.LeftDouble![i - (i % product.Rank) + source];
        })];
        return new(product.Rows, product.Columns, product.Rank, left, product.RightDouble!);
    }

    /// <summary>Columns of the left and rows of the right times powers of two.</summary>
    public static LowRankProduct Scaled(LowRankProduct product, Func<int, int> left, Func<int, int> right) => new(
        product.Rows, product.Columns, product.Rank,
        [.. product.LeftDouble!.Select((v, i) => Math.ScaleB(v, left(i % product.Rank)))],
        [.. product.RightDouble!.Select((v, i) => Math.ScaleB(v, right(i / product.Columns)))]);

    /// <summary>
    /// U·diag(σ)·Vᵀ is the product within <paramref name="tolerance"/> of its largest singular value, σ descends, U and V are orthonormal.
    /// </summary>
    public static IReadOnlyList<double> Check(string backend, LowRankProduct product, double tolerance)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        using ILowRankSvd svd = compute.Decompose(product);
        (int rows, int columns, int rank) = ((int)product.Rows, product.Columns, product.Rank);
        int size = Math.Min(rank, Math.Min(rows, columns));
        IReadOnlyList<double> sigma = svd.SingularValues;
        Assert.Equal(size, sigma.Count);
        for (int k = 0; k < size; k++) Assert.InRange(sigma[k], 0, k == 0 ? double.MaxValue : sigma[k - 1]);
        double[] actual = Product(svd, size, rows, columns);
        double scale = size == 0 ? 0 : sigma[0];
        double largest = 0;
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double expected = 0;
                for (int k = 0; k < rank; k++)
                {
                    expected += product.IsDouble
                        ? product.LeftDouble![(i * rank) + k] * product.RightDouble![(k * columns) + j]
                        : (double)product.LeftSingle![(i * rank) + k] * product.RightSingle![(k * columns) + j];
                }

                Assert.InRange(actual[(i * columns) + j], expected - (tolerance * scale), expected + (tolerance * scale));
                largest = Math.Max(largest, Math.Abs(expected));
            }
        }

        // The largest singular value is no smaller than the largest element, so the tolerance above is no way out.
        Assert.InRange(scale, largest * (1 - 1e-12), largest * Math.Sqrt((double)rows * columns) * (1 + 1e-12));
        SingularVectors vectors = svd.Take(size);
        AssertOrthonormal(vectors.Left, rows, size);
        AssertOrthonormal(vectors.Right, columns, size);
        return sigma;
    }

    /// <summary>U·diag(σ)·Vᵀ of the first singular vectors.</summary>
    public static double[] Product(ILowRankSvd svd, int count, int rows, int columns)
    {
        SingularVectors vectors = svd.Take(count);
        double[] product = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                for (int k = 0; k < count; k++)
                {
                    product[(i * columns) + j] += vectors.Left[(i * count) + k] * svd.SingularValues[k] * vectors.Right[(j * count) + k];
                }
            }
        }

        return product;
    }

    /// <summary>Columns of a matrix [rows, columns] are of unit length and orthogonal.</summary>
    public static void AssertOrthonormal(double[] matrix, int rows, int columns)
    {
        for (int i = 0; i < columns; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double dot = 0;
                for (int k = 0; k < rows; k++) dot += matrix[(k * columns) + i] * matrix[(k * columns) + j];
                Assert.Equal(i == j ? 1 : 0, dot, 1e-13 * Math.Sqrt(rows));
            }
        }
    }

    /// <summary>[rows, columns], row-major; twice orthogonalised, so orthonormal to the last bits.</summary>
    private static double[] Orthonormal(int rows, int columns, int seed)
    {
        Random random = new(seed);
        double[] result = [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextDouble() - 0.5)];
        for (int j = 0; j < columns; j++)
        {
            for (int pass = 0; pass < 2; pass++)
            {
                for (int i = 0; i < j; i++)
                {
                    double dot = Dot(i, j);
                    for (int k = 0; k < rows; k++) result[(k * columns) + j] -= dot * result[(k * columns) + i];
                }
            }

            double norm = Math.Sqrt(Dot(j, j));
            for (int k = 0; k < rows; k++) result[(k * columns) + j] /= norm;
        }

        return result;

        double Dot(int i, int j) => Enumerable.Range(0, rows).Sum(k => result[(k * columns) + i] * result[(k * columns) + j]);
    }
}

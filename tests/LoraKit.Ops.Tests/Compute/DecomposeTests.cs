using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>Left·Right = U·diag(σ)·Vᵀ, against the product formed by naive loops.</summary>
public sealed class DecomposeTests
{
    public static TheoryData<string> Backends => ComputeBackends.Names;

    [Theory]
    [MemberData(nameof(Backends))]
    public void The_product_comes_back_and_the_factors_are_orthonormal(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        foreach ((int rows, int columns, int rank) in ((int, int, int)[])[(37, 53, 5), (53, 37, 8), (4, 53, 9), (37, 3, 7), (5, 4, 11), (1, 1, 1), (7, 9, 0)])
        {
            Random random = new(rows);
            double[] left = [.. Enumerable.Range(0, rows * rank).Select(_ => random.NextDouble() - 0.5)];
            double[] right = [.. Enumerable.Range(0, rank * columns).Select(_ => random.NextDouble() - 0.5)];
            using ILowRankSvd svd = compute.Decompose(new LowRankProduct(rows, columns, rank, left, right));
            int size = Math.Min(rank, Math.Min(rows, columns));
            Assert.Equal(size, svd.SingularValues.Count);
            SingularVectors vectors = svd.Take(size);
            for (int i = 0; i < rows; i++)
            {
                for (int j = 0; j < columns; j++)
                {
                    double expected = 0, actual = 0;
                    for (int k = 0; k < rank; k++) expected += left[(i * rank) + k] * right[(k * columns) + j];
                    for (int k = 0; k < size; k++) actual += vectors.Left[(i * size) + k] * svd.SingularValues[k] * vectors.Right[(j * size) + k];
                    Assert.Equal(expected, actual, 1e-12);
                }
            }

            AssertOrthonormal(vectors.Left, rows, size);
            AssertOrthonormal(vectors.Right, columns, size);
        }
    }

    private static void AssertOrthonormal(double[] matrix, int rows, int columns)
    {
        for (int i = 0; i < columns; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double dot = 0;
                for (int k = 0; k < rows; k++) dot += matrix[(k * columns) + i] * matrix[(k * columns) + j];
                Assert.Equal(i == j ? 1 : 0, dot, 1e-12);
            }
        }
    }
}

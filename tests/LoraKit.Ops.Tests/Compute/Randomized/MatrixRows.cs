using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Tests.Compute.Randomized;

/// <summary>A matrix in memory, and ways to make one.</summary>
internal sealed class MatrixRows(double[] values, int rows, int columns) : IRowSource
{
    public long Rows => rows;

    public int Columns => columns;

    public double[] Values => values;

    public void ReadRows(long first, int count, Span<double> destination, int stride)
    {
        for (int i = 0; i < count; i++) values.AsSpan((int)(first + i) * columns, columns).CopyTo(destination[(i * stride)..]);
    }

    public static MatrixRows Noise(int rows, int columns, Random random) =>
        new([.. Enumerable.Range(0, rows * columns).Select(_ => Gaussian(random))], rows, columns);

    /// <summary>Σ σₖ·uₖ·vₖᵀ with random orthonormal u and v (Gram–Schmidt).</summary>
    public static MatrixRows WithSpectrum(int rows, int columns, double[] spectrum, Random random)
    {
        double[][] u = Orthonormal(rows, spectrum.Length, random), v = Orthonormal(columns, spectrum.Length, random);
        double[] values = new double[rows * columns];
        for (int k = 0; k < spectrum.Length; k++)
        {
            for (int i = 0; i < rows; i++)
            {
                for (int j = 0; j < columns; j++) values[(i * columns) + j] += spectrum[k] * u[k][i] * v[k][j];
            }
        }

        return new(values, rows, columns);
    }

    /// <summary>‖X − Left·diag(σ)·Rightᵀ‖ / ‖X‖, by naive loops.</summary>
    public double ErrorOf(ApproximateSvd svd)
    {
        double residual = 0, energy = 0;
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double sum = 0, x = values[(i * columns) + j];
                for (int k = 0; k < svd.Rank; k++) sum += svd.Left[(i * svd.Rank) + k] * svd.SingularValues[k] * svd.Right[(j * svd.Rank) + k];
                residual += (x - sum) * (x - sum);
                energy += x * x;
            }
        }

        return energy == 0 ? 0 : Math.Sqrt(residual / energy);
    }

    private static double[][] Orthonormal(int size, int count, Random random)
    {
        double[][] vectors = new double[count][];
        for (int k = 0; k < count; k++)
        {
            double[] vector = [.. Enumerable.Range(0, size).Select(_ => Gaussian(random))];
            for (int pass = 0; pass < 2; pass++)
            {
                foreach (double[] earlier in vectors.Take(k))
                {
                    double dot = earlier.Zip(vector, (a, b) => a * b).Sum();
                    vector = [.. vector.Zip(earlier, (x, e) => x - (dot * e))];
                }
            }

            double length = Math.Sqrt(vector.Sum(x => x * x));
            vectors[k] = [.. vector.Select(x => x / length)];
        }

        return vectors;
    }

    private static double Gaussian(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}

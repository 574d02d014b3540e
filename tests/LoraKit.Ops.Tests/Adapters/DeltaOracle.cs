using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Tests.Adapters;

/// <summary>Updates as dense matrices, and what follows from them: by the definitions, in doubles.</summary>
internal static class DeltaOracle
{
    /// <summary>s·B·A of every low-rank module of an adapter, by name.</summary>
    public static Dictionary<string, double[]> Updates(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return adapter.Deltas.OfType<LowRankDelta>().ToDictionary(
            d => d.Target.Label,
            d => Product(d.Up.ToDoubles(), d.Down.ToDoubles(), (int)d.OutFeatures, (int)d.InFeatures, (int)d.Rank, (int)d.Rank, d.Scale));
    }

    /// <summary>What a low-rank module of an adapter says of itself, by name.</summary>
    public static Dictionary<string, T> Facts<T>(string path, Func<LowRankDelta, T> fact)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return adapter.Deltas.OfType<LowRankDelta>().ToDictionary(d => d.Target.Label, fact);
    }

    /// <summary>scale · up[:, :first] · down[:first, :].</summary>
    public static double[] Product(double[] up, double[] down, int rows, int columns, int rank, int first, double scale)
    {
        double[] product = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int k = 0; k < first; k++)
            {
                double factor = scale * up[(i * rank) + k];
                for (int j = 0; j < columns; j++) product[(i * columns) + j] += factor * down[(k * columns) + j];
            }
        }

        return product;
    }

    public static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(v => v * v));

    public static double Distance(double[] x, double[] y) => Norm(x.Zip(y, (a, b) => a - b));

    /// <summary>The singular values of a dense matrix, descending: its shorter side's vectors turned until all are orthogonal (Jacobi).</summary>
    public static double[] SingularValues(double[] matrix, int rows)
    {
        int columns = matrix.Length / rows;
        double[][] vectors = rows <= columns
            ? [.. Enumerable.Range(0, rows).Select(i => matrix[(i * columns)..((i + 1) * columns)])]
            : [.. Enumerable.Range(0, columns).Select(j => Enumerable.Range(0, rows).Select(i => matrix[(i * columns) + j]).ToArray())];
        bool turned = true;
        for (int sweep = 0; turned && sweep < 100; sweep++)
        {
            turned = false;
            for (int i = 0; i < vectors.Length; i++)
            {
                for (int j = i + 1; j < vectors.Length; j++)
                {
                    (double ii, double jj, double ij) = (Dot(vectors[i], vectors[i]), Dot(vectors[j], vectors[j]), Dot(vectors[i], vectors[j]));
                    if (Math.Abs(ij) <= 1e-14 * Math.Sqrt(ii * jj) || Math.Abs(ij) < 1e-200) continue;
                    turned = true;
                    double angle = 0.5 * Math.Atan2(2 * ij, ii - jj);
                    (double sin, double cos) = Math.SinCos(angle);
                    for (int k = 0; k < vectors[i].Length; k++)
                    {
                        (double x, double y) = (vectors[i][k], vectors[j][k]);
                        (vectors[i][k], vectors[j][k]) = ((cos * x) + (sin * y), (cos * y) - (sin * x));
                    }
                }
            }
        }

        return [.. vectors.Select(v => Norm(v)).OrderDescending()];
    }

    private static double Dot(double[] x, double[] y)
    {
        double sum = 0;
        for (int i = 0; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>One update made on a weight in memory, without files: what a merge would make of it in F64.</summary>
internal static class KindRows
{
    /// <summary>W + w·ΔW(W).</summary>
    /// <param name="delta">The update.</param>
    /// <param name="shape">The weight's, as it is stored.</param>
    /// <param name="weight">W.</param>
    /// <param name="factor">w.</param>
    /// <param name="tileRows">How many rows at a time.</param>
    /// <param name="transposed">Whether the weight is stored as [in, out].</param>
    public static double[] Merge(AdapterDelta delta, TensorShape shape, double[] weight, double factor = 1, int tileRows = 3, bool transposed = false)
    {
        Assert.True(delta.Fits(transposed ? new TensorShape(shape[1], shape[0]) : shape));
        int columns = weight.Length / (int)shape[0];
        using TensorUpdates updates = new("x", shape, [new(delta, factor, transposed)], true, () => new Matrix(weight, columns));
        double[] sum = [.. weight];
        Parallel.For(0, ((int)shape[0] + tileRows - 1) / tileRows, tile =>
        {
            int rows = Math.Min(tileRows, (int)shape[0] - (tile * tileRows));
            Range range = (tile * tileRows * columns)..(((tile * tileRows) + rows) * columns);
            updates.AddContributions(tile * tileRows, rows, 1, weight.AsSpan(range), sum.AsSpan(range));
        });
        return sum;
    }

    /// <summary>What verify takes for a bound of Σ|terms| of every element.</summary>
    /// <param name="delta">The update.</param>
    /// <param name="shape">The weight's, as it is stored.</param>
    /// <param name="weight">W.</param>
    /// <param name="factor">w.</param>
    /// <param name="transposed">Whether the weight is stored as [in, out].</param>
    public static double[] Terms(AdapterDelta delta, TensorShape shape, double[] weight, double factor = 1, bool transposed = false)
    {
        int rows = (int)shape[0], columns = weight.Length / rows;
        using TensorUpdates updates = new("x", shape, [new(delta, factor, transposed)], true, () => new Matrix(weight, columns));
        double[] sum = new double[weight.Length];
        for (int row = 0; row < rows; row += 2)
        {
            updates.AddTerms(row, Math.Min(2, rows - row), sum.AsSpan(row * columns, Math.Min(2, rows - row) * columns));
        }

        return sum;
    }

    private sealed class Matrix(double[] values, int columns) : IBaseRows
    {
        public void Read(long firstRow, int rows, Span<double> destination) => values.AsSpan((int)(firstRow * columns), rows * columns).CopyTo(destination);
    }
}

using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Stack;

/// <summary>ΔW as a matrix of its own size, and back to factors.</summary>
internal static class DenseUpdate
{
    private const int TileElements = 1 << 17;

    /// <summary>The smaller size of matrices whose SVD is made whole.</summary>
    internal const int LargestWhole = 256;

    /// <summary>Up · Down, in F64.</summary>
    public static Matrix Form(TaskUpdate task, ICompute compute)
    {
        Matrix dense = new(task.Up.Rows, task.Down.Columns);
        using IPreparedProduct product = compute.Prepare(
            new LowRankProduct(dense.Rows, dense.Columns, task.Rank, task.Up.Values, task.Down.Values));
        int height = Math.Clamp(TileElements / dense.Columns, 1, dense.Rows);
        byte[] zeros = new byte[height * dense.Columns * sizeof(double)];
        for (int row = 0; row < dense.Rows; row += height)
        {
            int rows = Math.Min(height, dense.Rows - row);
            Span<byte> destination = MemoryMarshal.AsBytes(dense.Values.AsSpan(row * dense.Columns, rows * dense.Columns));
            compute.AddProduct(
                new Tile
                {
                    Source = zeros.AsSpan(0, destination.Length),
                    SourceType = DType.F64,
                    Destination = destination,
                    DestinationType = DType.F64,
                    Rows = rows,
                    Columns = dense.Columns,
                },
                product, row);
        }

        return dense;
    }

    /// <summary>
    /// The best approximation of a rank: from the whole spectrum of a small matrix, D = D·I or I·D; from a sketch of a large one, whose
    /// error is known all the same.
    /// </summary>
    public static TruncatedUpdate Cut(
        Matrix dense, StackedModule module, RankChoice choice, ICompute compute, int threads, CancellationToken cancellation)
    {
        if (Math.Min(dense.Rows, dense.Columns) <= LargestWhole)
        {
            CombinedUpdate product = dense.Columns <= dense.Rows
                ? new(dense, Matrix.Identity(dense.Columns))
                : new(Matrix.Identity(dense.Rows), dense);
            return TruncatedUpdate.Of(product, module, choice, compute);
        }

        RandomizedSvdOptions options = choice.Energy is { } energy
            ? new() { Energy = energy, Threads = threads }
            : new() { Rank = choice.AtMost(module), Threads = threads };
        return TruncatedUpdate.Of(RandomizedSvd.Run(new Rows(dense), options, compute, cancellation), module);
    }

    private sealed class Rows(Matrix matrix) : IRowSource
    {
        long IRowSource.Rows => matrix.Rows;

        public int Columns => matrix.Columns;

        public void ReadRows(long first, int count, Span<double> destination, int stride)
        {
            for (int i = 0; i < count; i++) matrix.Row((int)first + i).CopyTo(destination[(i * stride)..]);
        }
    }
}

using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>The base of an update: what a tensor is after replacements and before any update, in F64, any rows of it at any time.</summary>
internal sealed class ComposedRows(TensorEdit edit, TensorValue? @base, int columns) : IBaseRows, IDisposable
{
    private const int PieceElements = 1 << 18;

    private readonly ConcurrentBag<TileBuffers> _idle = [];

    public void Read(long firstRow, int rows, Span<double> values)
    {
        if (!_idle.TryTake(out TileBuffers? buffers)) buffers = new(0);
        int piece = Math.Max(1, PieceElements / Math.Max(columns, 1));
        for (int row = 0; row < rows; row += piece)
        {
            int now = Math.Min(piece, rows - row);
            ReadOnlySpan<byte> composed = TileSource.Read(edit, @base, columns, firstRow + row, now, buffers);
            MemoryMarshal.Cast<byte, double>(composed).CopyTo(values[(row * columns)..]);
        }

        _idle.Add(buffers);
    }

    /// <summary>Lets its memory go.</summary>
    public void Dispose()
    {
        while (_idle.TryTake(out TileBuffers? buffers))
        {
            buffers.Dispose();
        }
    }
}

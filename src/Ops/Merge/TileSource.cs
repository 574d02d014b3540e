using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>What rows of an output tensor are before updates are added: the base's values, those that replace them, or a mix of both, composed in F64.</summary>
internal static class TileSource
{
    /// <summary>Reads them: F64 where <see cref="TensorEdit.IsComposed"/>, else in the type of the replacement or of the base.</summary>
    /// <param name="edit">What happens to the tensor; null for one that is only cast.</param>
    /// <param name="base">The base's values; null for a tensor that only the output has.</param>
    /// <param name="columns">Elements per row.</param>
    /// <param name="firstRow">The first row wanted.</param>
    /// <param name="rows">How many.</param>
    /// <param name="buffers">Where they are put.</param>
    public static ReadOnlySpan<byte> Read(TensorEdit? edit, TensorValue? @base, int columns, long firstRow, int rows, TileBuffers buffers)
    {
        if (edit?.IsComposed == true) return Compose(edit, @base, columns, firstRow, rows, buffers);
        (long firstElement, int count) = (firstRow * columns, checked(rows * columns));
        return edit?.Whole is { } whole ? ReadNew(whole.Values, firstElement, count, buffers) : Read(@base!, firstElement, count, buffers);
    }

    /// <summary>W + w·(V − W) where the whole tensor is replaced at a weight w, then the same for each replaced row.</summary>
    private static ReadOnlySpan<byte> Compose(TensorEdit edit, TensorValue? @base, int columns, long firstRow, int rows, TileBuffers buffers)
    {
        long firstElement = firstRow * columns;
        Span<double> values = buffers.Values(rows * columns);
        if (edit.Whole is { } whole)
        {
            DecodeNew(whole.Values, firstElement, values, buffers);
            if (whole.Weight != 1)
            {
                Span<double> old = buffers.Others(values.Length);
                Decode(@base!, firstElement, old, buffers);
                Mix(values, old, whole.Weight);
            }
        }
        else
        {
            Decode(@base!, firstElement, values, buffers);
        }

        for (int i = 0; i < rows; i++)
        {
            if (!edit.Rows.TryGetValue(firstRow + i, out WeightedRow replaced)) continue;
            Span<double> row = values.Slice(i * columns, columns);
            Span<double> old = buffers.Others(columns);
            row.CopyTo(old);
            DecodeNew(replaced.Values, replaced.Index * columns, row, buffers);
            if (replaced.Weight != 1) Mix(row, old, replaced.Weight);
        }

        return MemoryMarshal.AsBytes(values);
    }

    private static void Mix(Span<double> values, ReadOnlySpan<double> old, double weight)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = old[i] + (weight * (values[i] - old[i]));
        }
    }

    private static void Decode(TensorValue tensor, long firstElement, Span<double> values, TileBuffers buffers) =>
        FloatConvert.ToDoubles(tensor.DType, Read(tensor, firstElement, values.Length, buffers), values);

    private static void DecodeNew(TensorValue tensor, long firstElement, Span<double> values, TileBuffers buffers) =>
        FloatConvert.ToDoubles(tensor.DType, ReadNew(tensor, firstElement, values.Length, buffers), values);

    /// <summary>Reads what an adapter brings, which must be finite; the base is taken as it is.</summary>
    private static Span<byte> ReadNew(TensorValue tensor, long firstElement, int count, TileBuffers buffers)
    {
        Span<byte> bytes = Read(tensor, firstElement, count, buffers);
        FiniteValues.Require(tensor, firstElement, bytes);
        return bytes;
    }

    private static Span<byte> Read(TensorValue tensor, long firstElement, int count, TileBuffers buffers)
    {
        int size = tensor.DType.Bytes();
        Span<byte> bytes = buffers.Source(count * size);
        tensor.ReadBytes(firstElement * size, bytes);
        return bytes;
    }
}

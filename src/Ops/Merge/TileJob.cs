using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>Rows [first, first + rows) of a changed tensor: read, change, round once, write, and record how to take it back.</summary>
internal sealed class TileJob(TensorWork work, long firstRow, int rows) : MergeJob
{
    private readonly int _rows = (int)Math.Clamp(work.Rows - firstRow, 0, rows);
    private readonly int _elements = checked((int)Math.Clamp(work.Rows - firstRow, 0, rows) * work.Columns);

    public override string Name => work.Target.Name;

    public override long Bytes => (long)_elements * work.Target.DType.Bytes();

    public override void Run(JobContext context)
    {
        ReadOnlySpan<byte> destination = Make(context, out ReadOnlySpan<byte> source);
        if (_rows > 0) work.File.Write(work.Target.Offset + (firstRow * work.Columns * work.Target.DType.Bytes()), destination);
        work.Undo?.Record(firstRow, rows, work.IsStraightFromBase ? source : default, destination, context);
        work.TileDone();
    }

    /// <summary>The tile's bytes, and what they were made from, both in the worker's buffers.</summary>
    public ReadOnlySpan<byte> Make(JobContext context, out ReadOnlySpan<byte> source)
    {
        source = default;
        if (_rows == 0) return default;
        long firstElement = firstRow * work.Columns;
        Span<byte> destination = context.Buffers.Destination((int)Bytes);
        DType sourceType = work.IsComposed ? DType.F64 : work.Straight.DType;
        source = work.IsComposed ? Compose(context.Buffers)
            : work.Edit?.Whole is { } whole ? ReadNew(whole.Values, firstElement, _elements, context.Buffers)
            : Read(work.Straight, firstElement, _elements, context.Buffers);
        IPreparedProduct? product = work.Product(context.Compute);

        context.Computing.Wait(context.Cancellation);
        try
        {
            if (product is not null)
            {
                context.Compute.AddProduct(
                    new Tile
                    {
                        Source = source,
                        SourceType = sourceType,
                        Destination = destination,
                        DestinationType = work.Target.DType,
                        Rows = _rows,
                        Columns = work.Columns,
                    },
                    product,
                    firstRow);
            }
            else
            {
                FloatConvert.Cast(sourceType, source, work.Target.DType, destination);
            }
        }
        finally
        {
            context.Computing.Release();
        }

        return destination;
    }

    /// <summary>W + w·(V − W) where the whole tensor is replaced at a weight w, then the same for each replaced row.</summary>
    private ReadOnlySpan<byte> Compose(TileBuffers buffers)
    {
        long firstElement = firstRow * work.Columns;
        Span<double> values = buffers.Values(_elements);
        TensorEdit edit = work.Edit!;
        if (edit.Whole is { } whole)
        {
            DecodeNew(whole.Values, firstElement, values, buffers);
            if (whole.Weight != 1)
            {
                Span<double> old = buffers.Others(_elements);
                Decode(work.Base!, firstElement, old, buffers);
                Mix(values, old, whole.Weight);
            }
        }
        else
        {
            Decode(work.Base!, firstElement, values, buffers);
        }

        for (int i = 0; i < _rows; i++)
        {
            if (!edit.Rows.TryGetValue(firstRow + i, out WeightedRow replaced)) continue;
            Span<double> row = values.Slice(i * work.Columns, work.Columns);
            Span<double> old = buffers.Others(work.Columns);
            row.CopyTo(old);
            DecodeNew(replaced.Values, replaced.Index * work.Columns, row, buffers);
            if (replaced.Weight != 1) Mix(row, old, replaced.Weight);
        }

        return System.Runtime.InteropServices.MemoryMarshal.AsBytes(values);
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

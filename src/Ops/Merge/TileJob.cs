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
        source = TileSource.Read(work.Edit, work.Base, work.Columns, firstRow, _rows, context.Buffers);
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
}

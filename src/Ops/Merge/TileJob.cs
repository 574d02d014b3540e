using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>Rows [first, first + rows) of a changed tensor: read, change, round once, write.</summary>
internal sealed class TileJob(TensorWork work, long firstRow, int rows) : MergeJob
{
    private readonly int _elements = checked(rows * work.Columns);

    public override string Name => work.Target.Name;

    public override long Bytes => (long)_elements * work.Target.DType.Bytes();

    public override void Run(JobContext context)
    {
        long firstElement = firstRow * work.Columns;
        Span<byte> destination = context.Buffers.Destination((int)Bytes);
        DType sourceType = work.IsComposed ? DType.F64 : work.Straight.DType;
        ReadOnlySpan<byte> source = TileSource.Read(work.Edit, work.Base, work.Columns, firstRow, rows, context.Buffers);
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
                        Rows = rows,
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

        work.File.Write(work.Target.Offset + (firstElement * work.Target.DType.Bytes()), destination);
        work.TileDone();
    }
}

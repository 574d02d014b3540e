using LoraKit.Formats;
using LoraKit.Formats.Files;
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
        Span<byte> prediction = work.PredictsBase(context.Compute) ? context.Buffers.Prediction((int)Bytes) : default;
        ReadOnlySpan<byte> destination = Make(context, out ReadOnlySpan<byte> source, prediction);
        if (_rows > 0) work.Write(firstRow, destination, context.Buffers);
        work.Undo?.Record(firstRow, rows, work.IsStraightFromBase ? source : default, destination, prediction, context);
        work.TileDone();
    }

    /// <summary>The tile's bytes, and what they were made from, both in the worker's buffers.</summary>
    /// <param name="context">Buffers, and the right to compute.</param>
    /// <param name="source">What they were made from.</param>
    /// <param name="prediction">Where it goes what subtracting the updates again makes of them; empty where nobody wants it.</param>
    public ReadOnlySpan<byte> Make(JobContext context, out ReadOnlySpan<byte> source, Span<byte> prediction = default)
    {
        source = default;
        if (_rows == 0) return default;
        Span<byte> destination = context.Buffers.Destination((int)Bytes);
        DType sourceType = work.IsComposed ? DType.F64 : work.Straight.DType;
        source = TileSource.Read(work.Edit, work.Base, work.Columns, firstRow, _rows, context.Buffers);
        IPreparedProduct? product = work.Product(context.Compute);

        context.Computing.Wait(context.Cancellation);
        try
        {
            if (work.Contributing is { } updates) AddContributions(updates, context.Buffers);
            if (product is null)
            {
                FloatConvert.Cast(sourceType, source, work.Target.DType, destination);
                return destination;
            }

            Tile tile = new()
            {
                Source = source,
                SourceType = sourceType,
                Destination = destination,
                DestinationType = work.Target.DType,
                Rows = _rows,
                Columns = work.Columns,
            };
            if (prediction.IsEmpty) context.Compute.AddProduct(tile, product, firstRow);
            else ((SimdCompute)context.Compute).AddAndSubtract(tile, product, firstRow, prediction);
        }
        finally
        {
            context.Computing.Release();
        }

        return destination;
    }

    /// <summary>To the composed values, where they lie; an update sees them as they were.</summary>
    private void AddContributions(TensorUpdates updates, TileBuffers buffers)
    {
        Span<double> values = buffers.Values(_elements), before = default;
        if (updates.NeedsBase) values.CopyTo(before = buffers.Others(_elements));
        updates.AddContributions(firstRow, _rows, 1, before, values);
        foreach (double value in values)
        {
            if (double.IsFinite(value)) continue;
            RequireOfBase(values);
            return;
        }
    }

    /// <summary>A base may hold what is not finite, and keeps it; an update may not make it.</summary>
    /// <exception cref="NonFiniteException">An update goes beyond F64.</exception>
    private void RequireOfBase(ReadOnlySpan<double> values)
    {
        using ComposedRows rows = new(work.Edit!, work.Base, work.Columns);
        double[] before = new double[_elements];
        rows.Read(firstRow, _rows, before);
        for (int i = 0; i < before.Length; i++)
        {
            if (double.IsFinite(values[i]) || !double.IsFinite(before[i])) continue;
            throw new NonFiniteException(
                $"tensor '{Printable.Text(work.Target.Name)}': its update is beyond the range of F64 at element {(firstRow * work.Columns) + i}; lower the weight, or check the adapter's alpha",
                tensor: work.Target.Name);
        }
    }
}

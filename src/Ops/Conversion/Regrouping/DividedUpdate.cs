using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>
/// The update of a fused weight as updates of its parts, exactly. A dense one gives every part its rows of B with the whole of A; one whose columns of B serve one part each gives it its
/// columns and their rows of A alone, so that what was put together comes apart again.
/// </summary>
internal static class DividedUpdate
{
    /// <param name="delta">An update that <see cref="RowsOfUpdate.Has"/> rows.</param>
    /// <param name="parts">The rows of each part, in order.</param>
    /// <param name="targets">What each part is in the result.</param>
    /// <param name="withValues">Whether values are looked at; without them all parts are taken for dense.</param>
    public static IEnumerable<AdapterDelta> Of(AdapterDelta delta, long[] parts, IReadOnlyList<ParameterName> targets, bool withValues)
    {
        IReadOnlyList<(long First, long Columns)>? blocks =
            withValues && (delta as LowRankDelta ?? (delta as MagnitudeDelta)?.Inner) is LowRankDelta lora ? RankBlocks.Of(lora.Up.ToDoubles(), lora.Rank, parts) : null;
        long row = 0;
        for (int part = 0; part < parts.Length; part++)
        {
            AdapterDelta rows = RowsOfUpdate.Take(delta, targets[part], (row, parts[part]));
            row += parts[part];
            if (blocks is null) yield return rows;
            // Magnitudes remain where there is nothing else.
            else if (blocks[part].Columns > 0) yield return OfColumns(rows, blocks[part]);
            else if (rows is MagnitudeDelta) yield return rows;
        }
    }

    private static AdapterDelta OfColumns(AdapterDelta delta, (long First, long Columns) block) => delta switch
    {
        LowRankDelta lora => new LowRankDelta(
            lora.Target, new TensorRows(lora.Down, block.First, block.Columns), new MatrixSlice(lora.Up, 0, lora.Up.Shape[0], block.First, block.Columns).Shaped(lora.Up), lora.Scale,
            lora.Scale * block.Columns, lora.Orientation),
        MagnitudeDelta dora => new MagnitudeDelta(OfColumns(dora.Inner, block), dora.Magnitude, dora.Axis, dora.Norm, dora.Epsilon),
        _ => delta,
    };

    /// <summary>B with the dimensions of the one it is of: a kernel of one element stays one.</summary>
    private static TensorValue Shaped(this MatrixSlice slice, TensorValue like) =>
        like.Shape.Rank == 2 ? slice : new BlockMatrix(slice.Name, new TensorShape([slice.Shape[0], slice.Shape[1], .. like.Shape.Sizes.AsSpan()[2..]]), new MatrixBlock(slice, 0, 0));
}

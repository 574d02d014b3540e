using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Adapters;

/// <summary>Some of an update's rows as an update of their own: of s·B·A those of B, with the whole of A.</summary>
internal static class RowsOfUpdate
{
    /// <summary>Whether an update's rows can be had by taking some of its stored tensors: plain LoRA of a matrix, full differences, and DoRA that scales outputs around them.</summary>
    public static bool Has(AdapterDelta delta) => delta switch
    {
        LowRankDelta lora => lora.Down is not TuckerDown && IsMatrix(lora.Down) && delta.RowDimensions == 1 && lora is { IsEmbedding: false, Orientation: not WeightOrientation.InOut },
        DenseDelta => true,
        MagnitudeDelta dora => Has(dora.Inner) && IsByOutput(dora),
        _ => false,
    };

    /// <param name="delta">An update that <see cref="Has"/> them.</param>
    /// <param name="target">What they update.</param>
    /// <param name="runs">First rows and numbers of rows, in the order of the result.</param>
    public static AdapterDelta Take(AdapterDelta delta, ParameterName target, params IReadOnlyList<(long First, long Rows)> runs) => delta switch
    {
        LowRankDelta lora => new LowRankDelta(target, lora.Down, Take(lora.Up, runs), lora.Scale, lora.Scale * lora.Rank, lora.Orientation),
        DenseDelta dense => new DenseDelta(target, Take(dense.Values, runs), dense.Scale),
        MagnitudeDelta dora => new MagnitudeDelta(Take(dora.Inner, target, runs), Take(dora.Magnitude!, runs), dora.Axis, dora.Norm, dora.Epsilon),
        _ => throw new ArgumentException(delta.Kind, nameof(delta)),
    };

    /// <summary>Rows of a tensor, one run after the other.</summary>
    public static TensorValue Take(TensorValue tensor, IReadOnlyList<(long First, long Rows)> runs)
    {
        if (runs is [(0, var all)] && all == tensor.Shape[0]) return tensor;
        if (runs is [var (first, rows)]) return new TensorRows(tensor, first, rows);
        List<MatrixBlock> blocks = [];
        long row = 0;
        foreach ((long from, long count) in runs)
        {
            blocks.Add(new(new TensorRows(tensor, from, count), row, 0));
            row += count;
        }

        return new BlockMatrix(tensor.Name, new TensorShape([row, .. tensor.Shape.Sizes.AsSpan()[1..]]), blocks);
    }

    /// <summary>Whether a factor has no kernel larger than one element.</summary>
    public static bool IsMatrix(TensorValue factor) => factor.Shape.Rank == 2 || (factor.Shape.Rank > 2 && factor.Shape.Sizes.Skip(2).All(size => size == 1));

    private static bool IsByOutput(MagnitudeDelta dora) =>
        dora.Magnitude is { } magnitude && dora.Shape is { } shape && magnitude.Shape.Rank > 0 && magnitude.Shape[0] == shape[0] && magnitude.Shape.ElementCount == shape[0]
        && dora.Axis != MagnitudeAxis.Input;
}

using System.Text.Json.Serialization;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>Where the rows of an update lie in the tensors of a base that divides the weight otherwise, or has its rows in another order.</summary>
/// <param name="Weight">The shape of what the adapter updates, as the base's tensors make it.</param>
/// <param name="Blocks">The rows; none is in two blocks.</param>
internal sealed record RowPlacement(TensorShape Weight, IReadOnlyList<RowBlock> Blocks)
{
    /// <param name="weight">Which tensors have it.</param>
    /// <param name="shapeOf">The shape of a tensor of the base.</param>
    /// <returns>Null where the shapes do not divide as the architecture's do.</returns>
    public static RowPlacement? Of(RegroupedWeight weight, Func<string, TensorShape> shapeOf)
    {
        TensorShape[] shapes = [.. weight.Tensors.Select(shapeOf)];
        long[] rest = [.. shapes[0].Sizes.Skip(1)];
        if (shapes.Any(shape => shape.Rank == 0 || !shape.Sizes.Skip(1).SequenceEqual(rest))) return null;
        long columns = shapeOf(weight.Matrix) is { Rank: > 1 } matrix ? matrix[1] : 0;
        RowDivision division = weight.Rule.Division;
        if ((weight.Part is null ? [.. shapes.Select(shape => shape[0])] : division.OfWhole(shapes[0][0], columns, weight.Rule.Diffusers.Count)) is not { } rows) return null;
        IEnumerable<RowSegment> segments = division.Segments(rows, columns);
        RowBlock[] blocks = weight.Part is { } part
            ? [.. segments.Where(s => s.Part == part).Select(s => new RowBlock(weight.Tensors[0], s.First, s.PartFirst, s.Rows))]
            : [.. segments.Select(s => new RowBlock(weight.Tensors[s.Part], s.PartFirst, s.First, s.Rows))];
        return new(new TensorShape([blocks.Sum(block => block.Rows), .. rest]), blocks);
    }
}

/// <summary>Rows of an update, and those of a base's tensor that they are added to.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="First">The first row there.</param>
/// <param name="FirstOfUpdate">The first row of the update.</param>
/// <param name="Rows">How many.</param>
internal readonly record struct RowBlock(string Tensor, long First, long FirstOfUpdate, long Rows);

/// <summary>The rows of an update that a tensor has, or a region of it, where it has not all.</summary>
/// <param name="First">The first.</param>
/// <param name="Count">How many.</param>
/// <param name="Total">How many the update has.</param>
internal sealed record RowRange(long First, long Count, long Total)
{
    /// <summary>Whether they are rows of it.</summary>
    [JsonIgnore]
    public bool IsValid => First >= 0 && Count > 0 && Total > 0 && First <= Total - Count;

    /// <summary>The shape of the weight that the whole update is of.</summary>
    /// <param name="part">That of these rows of it.</param>
    public TensorShape Whole(TensorShape part) => new([Total, .. part.Sizes.AsSpan()[1..]]);
}

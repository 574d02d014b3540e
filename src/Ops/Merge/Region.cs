using System.Text.Json.Serialization;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>A rectangle of a stored tensor seen as a matrix: all that an update changes where the base keeps several weights in one tensor.</summary>
/// <param name="RowDimensions">How many leading dimensions of the tensor count as rows of the matrix: 1 where the region is whole rows, kernel and all.</param>
/// <param name="FirstRow">The first row.</param>
/// <param name="Rows">How many.</param>
/// <param name="FirstColumn">The first column.</param>
/// <param name="Columns">How many.</param>
internal sealed record Region(int RowDimensions, long FirstRow, long Rows, long FirstColumn, long Columns)
{
    /// <summary>Rows of a tensor.</summary>
    /// <param name="tensor">Its shape.</param>
    /// <param name="first">The first row.</param>
    /// <param name="rows">How many.</param>
    public static Region OfRows(TensorShape tensor, long first, long rows) => new(1, first, rows, 0, tensor.AsMatrix().Columns);

    /// <summary>Whether it is whole rows of the tensor.</summary>
    [JsonIgnore]
    public bool IsRows => RowDimensions == 1;

    /// <summary>The weight's shape, [out, in, …kernel].</summary>
    /// <param name="tensor">The tensor's.</param>
    /// <param name="transposed">Whether it is stored [in, out].</param>
    public TensorShape Weight(TensorShape tensor, bool transposed) =>
        IsRows ? new([Rows, .. tensor.Sizes.AsSpan()[1..]]) : transposed ? new(Columns, Rows) : new(Rows, Columns);

    /// <summary>Whether a tensor of this shape has it.</summary>
    public bool IsIn(TensorShape tensor)
    {
        if (RowDimensions < 1 || RowDimensions > tensor.Rank || FirstRow < 0 || FirstColumn < 0 || Rows < 1 || Columns < 1) return false;
        (long rows, long columns) = tensor.AsMatrix(RowDimensions);
        return FirstRow <= rows - Rows && FirstColumn <= columns - Columns && (!IsRows || Columns == columns);
    }
}

using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>A rectangle of a stored tensor seen as a matrix: all that an update changes where the base keeps several weights in one tensor.</summary>
/// <param name="RowDimensions">How many leading dimensions of the tensor count as rows of the matrix.</param>
/// <param name="FirstRow">The first row.</param>
/// <param name="Rows">How many.</param>
/// <param name="FirstColumn">The first column.</param>
/// <param name="Columns">How many.</param>
internal sealed record Region(int RowDimensions, long FirstRow, long Rows, long FirstColumn, long Columns)
{
    /// <summary>The weight's shape, [out, in].</summary>
    /// <param name="transposed">Whether it is stored [in, out].</param>
    public TensorShape Weight(bool transposed) => transposed ? new(Columns, Rows) : new(Rows, Columns);

    /// <summary>Whether a tensor of this shape has it.</summary>
    public bool IsIn(TensorShape tensor)
    {
        if (RowDimensions < 1 || RowDimensions > tensor.Rank || FirstRow < 0 || FirstColumn < 0 || Rows < 1 || Columns < 1) return false;
        (long rows, long columns) = tensor.AsMatrix(RowDimensions);
        return FirstRow <= rows - Rows && FirstColumn <= columns - Columns;
    }
}

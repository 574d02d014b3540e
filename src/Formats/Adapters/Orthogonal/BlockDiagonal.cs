using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>A block-diagonal matrix of square blocks of one size; one block alone stands for all.</summary>
/// <param name="blocks">The blocks, row-major, one after the other.</param>
/// <param name="size">Rows and columns of a block.</param>
internal sealed class BlockDiagonal(double[] blocks, int size)
{
    private readonly int _count = blocks.Length / (size * size);

    /// <summary>result = row · B, for a row of as many values as the blocks together are wide.</summary>
    public void Multiply(ReadOnlySpan<double> row, Span<double> result)
    {
        result.Clear();
        for (int first = 0; first < row.Length; first += size)
        {
            int block = _count == 1 ? 0 : first / size;
            Span<double> part = result.Slice(first, size);
            for (int j = 0; j < size; j++)
            {
                RowLoops.AddScaled(blocks.AsSpan(((block * size) + j) * size, size), row[first + j], part);
            }
        }
    }
}

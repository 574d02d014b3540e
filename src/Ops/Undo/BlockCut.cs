using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Undo;

/// <summary>How a changed tensor is cut into blocks: whole rows, the same ones before and after the merge.</summary>
/// <param name="Columns">Elements of a row; 1 where rows have no meaning.</param>
/// <param name="BlockRows">Rows of every block but the last.</param>
/// <param name="OriginalType">The element type before the merge.</param>
/// <param name="OriginalRows">Rows before the merge.</param>
/// <param name="MergedType">The element type after it.</param>
/// <param name="MergedRows">Rows after it; another number where the vocabulary was resized.</param>
internal sealed record BlockCut(int Columns, int BlockRows, DType OriginalType, long OriginalRows, DType MergedType, long MergedRows)
{
    /// <summary>About how many elements a block has: it should stay in the second-level cache, and its parameters fit it well.</summary>
    public const int PreferredElements = 1 << 16;

    /// <summary>Rows of a block of about so many elements.</summary>
    public static int RowsFor(int elements, int columns) => Math.Max(elements / Math.Max(columns, 1), 1);

    public long OriginalBlocks => Blocks(OriginalRows);

    public long MergedBlocks => Blocks(MergedRows);

    /// <summary>Bytes of a row before the merge.</summary>
    public int OriginalRowBytes => checked(Columns * OriginalType.Bytes());

    /// <summary>Bytes of a row after it.</summary>
    public int MergedRowBytes => checked(Columns * MergedType.Bytes());

    /// <summary>Of rows [first, first + count), how many the original has.</summary>
    public int Original(long first, int count) => (int)Math.Clamp(OriginalRows - first, 0, count);

    /// <summary>Of rows [first, first + count), how many the merged tensor has.</summary>
    public int Merged(long first, int count) => (int)Math.Clamp(MergedRows - first, 0, count);

    private long Blocks(long rows) => (rows + BlockRows - 1) / BlockRows;
}

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>
/// The columns of B that each part of its rows has for itself, where no column serves two parts: a fused weight that was trained, or put together, of separate ones. By values, never by
/// divisibility alone. See spec/algebra.md, "Fused weights".
/// </summary>
internal static class RankBlocks
{
    /// <summary>First columns and numbers of columns, one of each part; a part of none has no update. Null where a column serves two parts, or all values are zero.</summary>
    /// <param name="up">B [rows, rank], row-major.</param>
    /// <param name="rank">Its columns.</param>
    /// <param name="parts">The rows of each part, in order.</param>
    public static IReadOnlyList<(long First, long Columns)>? Of(double[] up, long rank, long[] parts)
    {
        int?[] owners = new int?[rank];
        long row = 0;
        for (int part = 0; part < parts.Length; part++)
        {
            for (long end = row + parts[part]; row < end; row++)
            {
                for (long column = 0; column < rank; column++)
                {
                    if (up[(row * rank) + column] == 0 || owners[column] == part) continue;
                    if (owners[column] is not null) return null;
                    owners[column] = part;
                }
            }
        }

        if (owners.All(owner => owner is null)) return null;
        return Alike(owners, parts.Length) ?? InOrder(owners, parts.Length);
    }

    /// <summary>Blocks of one width: columns of zeros within them stay.</summary>
    private static (long First, long Columns)[]? Alike(int?[] owners, int parts)
    {
        if (owners.Length % parts != 0) return null;
        int width = owners.Length / parts;
        return owners.Where((owner, column) => owner is not null && owner != column / width).Any() ? null : [.. Enumerable.Range(0, parts).Select(part => ((long)part * width, (long)width))];
    }

    /// <summary>Blocks of any width, one after the other; columns of zeros go to the block before them.</summary>
    private static (long First, long Columns)[]? InOrder(int?[] owners, int parts)
    {
        (long First, long Columns)[] blocks = new (long, long)[parts];
        int owner = owners.OfType<int>().First();
        for (int column = 0; column < owners.Length; column++)
        {
            if (owners[column] < owner) return null;
            owner = owners[column] ?? owner;
            if (blocks[owner].Columns == 0) blocks[owner].First = column;
            blocks[owner].Columns++;
        }

        return blocks;
    }
}

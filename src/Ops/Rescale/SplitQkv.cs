using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Rescale;

/// <summary>
/// kohya Flux files trained with <c>split_qkv</c>: q, k, v (and mlp) were trained as modules of rank r and saved as one of rank 3r (4r),
/// block-diagonal, with the alpha of one. α/r is then a third (a quarter) of what was trained (sd-scripts issue 2204).
/// </summary>
internal static class SplitQkv
{
    /// <summary>How often a module's scale is missing: 3 or 4; null where it is none of these, or is right already.</summary>
    /// <param name="modules">The adapter's low-rank modules: those that are not fused tell what rank and alpha were trained.</param>
    public static Func<LowRankDelta, int?> Find(IReadOnlyList<LowRankDelta> modules)
    {
        var trained = modules.Where(m => Parts(m) is null).GroupBy(m => (m.Rank, m.Alpha)).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).FirstOrDefault();
        if (trained is null) return _ => null;
        (long rank, double alpha) = trained.Key;
        return module => Parts(module) is { } rows && module.Rank == rank * rows.Length && module.Alpha == alpha && IsBlockDiagonal(module, rows)
            ? rows.Length
            : null;
    }

    /// <summary>The rows of each part of a fused projection; null for any other module.</summary>
    private static long[]? Parts(LowRankDelta module)
    {
        string name = module.Target.Module.Path;
        (long outputs, long inputs) = (module.OutFeatures, module.InFeatures);
        if (name.EndsWith("_img_attn_qkv", StringComparison.Ordinal) || name.EndsWith("_txt_attn_qkv", StringComparison.Ordinal))
        {
            return outputs % 3 == 0 ? [outputs / 3, outputs / 3, outputs / 3] : null;
        }

        bool isSingle = name.Contains("_single_blocks_", StringComparison.Ordinal) && name.EndsWith("_linear1", StringComparison.Ordinal);
        return isSingle && outputs / 3 >= inputs && outputs > 3 * inputs ? [inputs, inputs, inputs, outputs - (3 * inputs)] : null;
    }

    /// <summary>By values: a rank that is divisible proves nothing.</summary>
    private static bool IsBlockDiagonal(LowRankDelta module, long[] rows)
    {
        double[] up = module.Up.ToDoubles();
        long rank = module.Rank;
        long share = rank / rows.Length;
        long row = 0;
        for (int part = 0; part < rows.Length; part++)
        {
            for (long end = row + rows[part]; row < end; row++)
            {
                for (long k = 0; k < rank; k++)
                {
                    if (k / share != part && up[(row * rank) + k] != 0) return false;
                }
            }
        }

        return true;
    }
}

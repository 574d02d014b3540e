using LoraKit.Formats;

namespace LoraKit.Ops.Resize;

/// <summary>
/// The best ranks for an adapter whose files may come to so many bytes. What headers and configuration take depends on the ranks themselves
/// (digits, patterns), so every candidate is measured as it would be written, and the budget of the factors is corrected until it fits.
/// </summary>
/// <param name="modules">Each module's <see cref="RankBudget.Worthwhile"/> options.</param>
/// <param name="measure">The size of all files, were the modules to get these options.</param>
internal sealed class RankAllocation(IReadOnlyList<RankOption[]> modules, Func<IReadOnlyList<int>, long> measure)
{
    /// <returns>Each module's option, by index.</returns>
    /// <exception cref="InvalidOptionException">Not even the smallest ranks fit; the message has their size.</exception>
    public int[] Fit(long bytes)
    {
        int[] least = new int[modules.Count];
        long smallest = measure(least);
        if (smallest > bytes)
        {
            throw new InvalidOptionException(
                $"target-size: {bytes} bytes are too few; the smallest possible is {smallest} bytes (with the least rank for every module and these element types)");
        }

        // A uniform rank has the shortest configuration; what it keeps is the least that is good enough.
        int[] uniform = LargestUniform(least, bytes);
        return new[] { uniform, Corrected(uniform, bytes), Corrected(least, bytes) }.MaxBy(chosen => RankBudget.Energy(modules, chosen))!;
    }

    private int[] Corrected(int[] start, long bytes)
    {
        int[] best = start;
        long overhead = Overhead(start, measure(start));
        HashSet<long> tried = [];
        while (tried.Add(overhead))
        {
            int[] chosen = RankBudget.Spend(modules, start, bytes - overhead);
            long measured = measure(chosen);
            if (measured <= bytes && RankBudget.Energy(modules, chosen) >= RankBudget.Energy(modules, best)) best = chosen;
            overhead = Overhead(chosen, measured);
        }

        return best;
    }

    private int[] LargestUniform(int[] least, long bytes)
    {
        int[] best = least;
        (int low, int high) = (0, modules.SelectMany(options => options).Select(o => o.Rank).DefaultIfEmpty().Max());
        while (low < high)
        {
            int rank = low + ((high - low + 1) / 2);
            int[] chosen = RankBudget.Uniform(modules, rank);
            if (measure(chosen) <= bytes) (best, low) = (chosen, rank);
            else high = rank - 1;
        }

        return best;
    }

    private long Overhead(IReadOnlyList<int> chosen, long measured) => measured - RankBudget.Bytes(modules, chosen);
}

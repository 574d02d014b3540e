namespace LoraKit.Ops.Resize;

/// <summary>One rank that a module may get.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Bytes">What its factors take.</param>
/// <param name="Energy">What they keep of the update, s²·Σσ²[:k].</param>
internal readonly record struct RankOption(int Rank, long Bytes, double Energy);

/// <summary>
/// Bytes shared out over modules so that the kept energy is largest: the step with the most energy per byte first, and when that no longer
/// fits, the next that does. Singular values fall, so that this is the best there is up to the last step of a knapsack.
/// </summary>
internal static class RankBudget
{
    /// <summary>Those of a module's options that no other beats, the cheapest first; energies rise with bytes.</summary>
    public static RankOption[] Worthwhile(IEnumerable<RankOption> options)
    {
        List<RankOption> kept = [];
        foreach (RankOption option in options.OrderBy(o => o.Bytes).ThenBy(o => o.Rank))
        {
            if (kept.Count == 0 || option.Energy > kept[^1].Energy) kept.Add(option);
        }

        return [.. kept];
    }

    /// <summary>Spends what is left after a start; every module keeps at least its start.</summary>
    /// <param name="modules">Each module's <see cref="Worthwhile"/> options.</param>
    /// <param name="start">Each module's option to begin with, by index.</param>
    /// <param name="bytes">For all modules together.</param>
    /// <returns>Each module's option, by index.</returns>
    public static int[] Spend(IReadOnlyList<RankOption[]> modules, IReadOnlyList<int> start, long bytes)
    {
        int[] chosen = [.. start];
        long left = bytes - Bytes(modules, chosen);
        PriorityQueue<(int Module, int To), (double Density, int Module)> steps = new(
            Comparer<(double Density, int Module)>.Create((x, y) => x.Density != y.Density ? y.Density.CompareTo(x.Density) : x.Module.CompareTo(y.Module)));
        for (int m = 0; m < chosen.Length; m++) Offer(m);
        while (steps.TryDequeue(out (int Module, int To) step, out _))
        {
            RankOption[] options = modules[step.Module];
            long cost = options[step.To].Bytes - options[chosen[step.Module]].Bytes;
            if (cost <= left)
            {
                left -= cost;
                chosen[step.Module] = step.To;
            }

            Offer(step.Module);
        }

        return chosen;

        // The module's best step of those that still fit.
        void Offer(int module)
        {
            RankOption[] options = modules[module];
            RankOption from = options[chosen[module]];
            (int to, double best) = (-1, 0);
            for (int i = chosen[module] + 1; i < options.Length && options[i].Bytes - from.Bytes <= left; i++)
            {
                double density = (options[i].Energy - from.Energy) / (options[i].Bytes - from.Bytes);
                if (density > best) (to, best) = (i, density);
            }

            if (to >= 0) steps.Enqueue((module, to), (best, module));
        }
    }

    /// <summary>The option of every module that is nearest to one rank for all, from below where it can.</summary>
    public static int[] Uniform(IReadOnlyList<RankOption[]> modules, int rank) =>
        [.. modules.Select(options => Math.Max(0, Array.FindLastIndex(options, o => o.Rank <= rank)))];

    /// <summary>What a choice takes.</summary>
    public static long Bytes(IReadOnlyList<RankOption[]> modules, IReadOnlyList<int> chosen) => modules.Select((options, m) => options[chosen[m]].Bytes).Sum();

    /// <summary>What a choice keeps.</summary>
    public static double Energy(IReadOnlyList<RankOption[]> modules, IReadOnlyList<int> chosen) => modules.Select((options, m) => options[chosen[m]].Energy).Sum();
}

using LoraKit.Formats;

namespace LoraKit.Ops.Resize;

/// <summary>The rank of every module: what the policy says, within the bounds that were given and what the module has.</summary>
internal sealed class ResizeRanks
{
    private readonly ResizeOptions _options;

    /// <exception cref="InvalidOptionException">Numbers out of range, or bounds that contradict each other.</exception>
    public ResizeRanks(ResizeOptions options)
    {
        _options = options;
        RankCriterion.Check(options.Policy);
        RequirePositive("max-rank", options.MaxRank);
        RequirePositive("min-rank", options.MinRank);
        RequirePositive("conv-rank", options.ConvRank);
        if (options.Policy is RankPolicy.Fixed && (options.MaxRank ?? options.MinRank) is not null)
        {
            throw new InvalidOptionException("max-rank and min-rank bound what a criterion chooses; a fixed rank needs neither");
        }

        if (options.MinRank > Math.Min(options.MaxRank ?? int.MaxValue, options.ConvRank ?? int.MaxValue))
        {
            throw new InvalidOptionException($"min-rank {options.MinRank} is above max-rank or conv-rank; expected it to be the lower one");
        }
    }

    /// <summary>The ranks, in the modules' order.</summary>
    /// <param name="modules">The modules.</param>
    /// <param name="spectra">Their singular values.</param>
    /// <param name="measure">The size of all files at given ranks.</param>
    /// <exception cref="InvalidOptionException">A budget that not even the smallest ranks keep.</exception>
    public int[] Choose(IReadOnlyList<ModuleResize> modules, IReadOnlyList<Spectrum> spectra, Func<IReadOnlyList<int>, long> measure) =>
        _options.Policy is RankPolicy.TotalBytes budget
            ? Allocate(modules, spectra, budget.Bytes, measure)
            : [.. modules.Select((module, i) => Rank(module, spectra[i]))];

    /// <summary>Σs²σ²[k:] over all modules, as a share of Σs²σ².</summary>
    public static double LostShare(IReadOnlyList<ModuleResize> modules, IReadOnlyList<Spectrum> spectra, IReadOnlyList<int> ranks)
    {
        double[] weights = Weights(modules, spectra);
        double lost = 0, all = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            lost += weights[i] * spectra[i].Tail(ranks[i]);
            all += weights[i] * spectra[i].Tail(0);
        }

        return all == 0 ? 0 : lost / all;
    }

    private int Rank(ModuleResize module, Spectrum spectrum)
    {
        bool isKernel = IsKernel(module);
        if (_options.Policy is RankPolicy.Fixed @fixed) return isKernel ? _options.ConvRank ?? @fixed.Rank : @fixed.Rank;
        (int least, int most) = Bounds(module, spectrum);
        return Math.Clamp(RankCriterion.Rank(_options.Policy, spectrum), least, most);
    }

    private int[] Allocate(IReadOnlyList<ModuleResize> modules, IReadOnlyList<Spectrum> spectra, long bytes, Func<IReadOnlyList<int>, long> measure)
    {
        double[] weights = Weights(modules, spectra);
        RankOption[][] options = [.. modules.Select((m, i) => RankBudget.Worthwhile(Options(m, spectra[i], weights[i])))];
        RankAllocation allocation = new(options, chosen => measure(Ranks(chosen)));
        return Ranks(allocation.Fit(bytes));

        int[] Ranks(IReadOnlyList<int> chosen) => [.. options.Select((o, i) => o[chosen[i]].Rank)];
    }

    private IEnumerable<RankOption> Options(ModuleResize module, Spectrum spectrum, double weight)
    {
        (int least, int most) = Bounds(module, spectrum);
        for (int k = least; k <= most; k++) yield return Option(k);

        // The module as it is may take less than its computed factors would, where those need a wider type.
        int rank = (int)module.Delta.Rank;
        if (rank > most && rank <= Most(module)) yield return Option(rank);

        RankOption Option(int k) => new(k, module.Bytes(k), weight * (spectrum.Tail(0) - spectrum.Tail(k)));
    }

    /// <summary>At least one rank, at most as many as there are singular values.</summary>
    private (int Least, int Most) Bounds(ModuleResize module, Spectrum spectrum)
    {
        int most = Math.Min(Most(module), spectrum.Count);
        return (Math.Min(_options.MinRank ?? 1, most), most);
    }

    private int Most(ModuleResize module) => (IsKernel(module) ? _options.ConvRank : null) ?? _options.MaxRank ?? int.MaxValue;

    // As sd-scripts: every convolution, those of 1 × 1 too.
    private static bool IsKernel(ModuleResize module) => module.Delta.Down.Shape.Rank > 2;

    /// <summary>s²σ₀² of every module, relative to the largest: what its share of the spectrum counts for.</summary>
    private static double[] Weights(IReadOnlyList<ModuleResize> modules, IReadOnlyList<Spectrum> spectra)
    {
        double[] sizes = [.. modules.Select((m, i) => Math.Abs(m.Delta.Scale) * spectra[i].Largest)];
        double largest = sizes.Max();
        return [.. sizes.Select(size => largest == 0 ? 0 : size / largest * (size / largest))];
    }

    private static void RequirePositive(string name, int? rank)
    {
        if (rank < 1) throw new InvalidOptionException($"{name}: {rank} is out of range; expected a whole number of at least 1");
    }
}

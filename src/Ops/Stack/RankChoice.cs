using LoraKit.Ops.Stack.Factors;

namespace LoraKit.Ops.Stack;

/// <summary>The rank of a result: as asked for, else the method's; never more than loses nothing, never less than 1.</summary>
/// <param name="Rank">At most this.</param>
/// <param name="Energy">The least that keeps this fraction of Σσ².</param>
/// <param name="Otherwise">Where neither is given.</param>
/// <param name="IsDense">Whether the combined update may have any rank; else none above the sum of the tasks'.</param>
internal sealed record RankChoice(int? Rank, double? Energy, RankDefault Otherwise, bool IsDense)
{
    /// <summary>Whether the factors may stay as they come.</summary>
    public bool AsItIs => Rank is null && Energy is null && Otherwise == RankDefault.AsItIs;

    /// <summary>The largest that can come out.</summary>
    public int AtMost(StackedModule module)
    {
        if (AsItIs) return (int)module.SumOfRanks;
        long wanted = Rank ?? (Energy is null ? Default(module) : int.MaxValue);
        return (int)Math.Min(IsDense ? module.FullRank : Math.Min(module.SumOfRanks, module.FullRank), wanted);
    }

    /// <summary>What is kept of a spectrum.</summary>
    public int Of(IReadOnlyList<double> sigma, StackedModule module)
    {
        int lossless = Math.Min(ThinSvd.NumericalRank(sigma, module.Rows, module.Columns), AtMost(module));
        return Math.Max(1, Energy is { } energy ? Math.Min(lossless, Keeping(sigma, energy)) : lossless);
    }

    private long Default(StackedModule module) =>
        Otherwise == RankDefault.LargestInput ? module.Parts.Max(part => part.Delta.Rank) : module.SumOfRanks;

    private static int Keeping(IReadOnlyList<double> sigma, double fraction)
    {
        // Relative to the largest: squares of very small or large values leave the range.
        double total = sigma.Sum(s => Square(s / sigma[0]));
        double kept = 0;
        int rank = 0;
        while (rank < sigma.Count && kept < fraction * total) kept += Square(sigma[rank++] / sigma[0]);
        return rank;
    }

    private static double Square(double value) => value * value;
}

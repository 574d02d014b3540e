using LoraKit.Ops.Stack.Factors;

namespace LoraKit.Ops.Stack;

/// <summary>The rank of a result: as asked for, else the method's; never more than loses nothing, never less than 1.</summary>
/// <param name="Rank">At most this.</param>
/// <param name="Energy">The least that keeps this fraction of Σσ².</param>
/// <param name="Otherwise">Where neither is given.</param>
internal sealed record RankChoice(int? Rank, double? Energy, RankDefault Otherwise)
{
    /// <summary>Whether the factors may stay as they come.</summary>
    public bool AsItIs => Rank is null && Energy is null && Otherwise == RankDefault.AsItIs;

    /// <summary>The largest that can come out.</summary>
    public int AtMost(StackedModule module)
    {
        long lossless = AsItIs ? module.SumOfRanks : Math.Min(module.SumOfRanks, module.FullRank);
        return (int)Math.Min(lossless, Rank ?? (Energy is null ? Default(module) : int.MaxValue));
    }

    /// <summary>What is kept of a spectrum.</summary>
    public int Of(IReadOnlyList<double> sigma, StackedModule module)
    {
        int lossless = Math.Min(ThinSvd.NumericalRank(sigma, module.Rows, module.Columns), AtMost(module));
        return Math.Max(1, Energy is { } energy ? Math.Min(lossless, Keeping(sigma, energy)) : lossless);
    }

    private long Default(StackedModule module) =>
        Otherwise == RankDefault.LargestInput ? module.Parts.Max(part => part.Delta.Rank) : int.MaxValue;

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

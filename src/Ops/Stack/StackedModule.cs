using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Stack;

/// <summary>A module and the adapters that update it, in order; all of one shape.</summary>
internal sealed record StackedModule(ParameterName Target, IReadOnlyList<StackedPart> Parts)
{
    /// <summary>The module as the first of them has it.</summary>
    public LowRankDelta First => Parts[0].Delta;

    public int Rows => (int)First.OutFeatures;

    public int Columns => (int)First.InFeatures;

    public long SumOfRanks => Parts.Sum(part => part.Delta.Rank);

    /// <summary>No matrix of this size has a higher rank.</summary>
    public int FullRank => Math.Min(Rows, Columns);

    /// <summary>One rank per input, 0 for those that lack the module.</summary>
    public IReadOnlyList<long> Ranks(int inputs)
    {
        long[] ranks = new long[inputs];
        foreach (StackedPart part in Parts) ranks[part.Adapter] = part.Delta.Rank;
        return ranks;
    }
}

/// <summary>One adapter's update of a module.</summary>
/// <param name="Adapter">The adapter's place among the inputs.</param>
/// <param name="Weight">The user's.</param>
/// <param name="Delta">The update.</param>
internal sealed record StackedPart(int Adapter, double Weight, LowRankDelta Delta);

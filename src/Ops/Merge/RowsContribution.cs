using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Merge;

/// <summary>Some rows of an update, as all of one.</summary>
/// <param name="whole">All its rows.</param>
/// <param name="first">The first of these.</param>
internal sealed class RowsContribution(IContribution whole, long first) : IContribution
{
    /// <summary>Whether a kind has rows without the base of the others: it needs no base, or that of its own rows alone.</summary>
    public static bool Has(AdapterDelta delta) => !delta.NeedsBase || RowsOfUpdate.Has(delta);

    /// <summary>Rows of an update that <see cref="Has"/> them.</summary>
    /// <param name="delta">The update.</param>
    /// <param name="rows">Which.</param>
    /// <param name="context">What they meet: these rows of the weight.</param>
    public static IContribution Of(AdapterDelta delta, RowRange rows, ContributionContext context)
    {
        if (delta.NeedsBase) return RowsOfUpdate.Take(delta, delta.Target, (rows.First, rows.Count)).Prepare(context);
        return new RowsContribution(delta.Prepare(context with { Weight = rows.Whole(context.Weight), Rows = rows.Total, BaseRows = null }), rows.First);
    }

    public void Add(long firstRow, int rows, double factor, ReadOnlySpan<double> @base, Span<double> sum) => whole.Add(first + firstRow, rows, factor, @base, sum);

    public void AddTerms(long firstRow, int rows, double factor, Span<double> sum) => whole.AddTerms(first + firstRow, rows, factor, sum);

    public void Dispose() => whole.Dispose();
}

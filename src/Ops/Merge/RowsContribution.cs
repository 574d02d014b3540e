using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Ops.Merge;

/// <summary>Some rows of an update, as all of one.</summary>
internal sealed class RowsContribution : IContribution
{
    private readonly IContribution _whole;
    private readonly JoinedRows? _base;
    private readonly long _first;

    /// <param name="delta">The update, whose <see cref="WeightedDelta.Rows"/> these are.</param>
    /// <param name="context">What they meet: these rows of the weight.</param>
    public RowsContribution(WeightedDelta delta, ContributionContext context)
    {
        RowRange rows = delta.Rows!;
        _first = rows.First;
        _base = delta.Delta.NeedsBase ? new(delta.Whole) : null;
        _whole = delta.Delta.Prepare(context with { Weight = rows.Whole(context.Weight), Rows = rows.Total, BaseRows = _base });
    }

    public void Add(long firstRow, int rows, double factor, ReadOnlySpan<double> @base, Span<double> sum) => _whole.Add(_first + firstRow, rows, factor, @base, sum);

    public void AddTerms(long firstRow, int rows, double factor, Span<double> sum) => _whole.AddTerms(_first + firstRow, rows, factor, sum);

    public void Dispose()
    {
        _whole.Dispose();
        _base?.Dispose();
    }
}

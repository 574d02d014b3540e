using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Ops.Merge;

/// <summary>Some rows of a weight, where the base has them.</summary>
/// <param name="Edit">The tensor.</param>
/// <param name="Region">What of it they are; null for all of it.</param>
/// <param name="Rows">Which rows of the weight.</param>
internal sealed record WeightPart(TensorEdit Edit, Region? Region, RowRange Rows);

/// <summary>The base of an update whose rows it has in several tensors, or in another order: all of them, as the adapter has the weight.</summary>
internal sealed class JoinedRows : IBaseRows, IDisposable
{
    private readonly (IBaseRows Rows, ComposedRows Stored, RowRange Range)[] _parts;
    private readonly int _columns;

    public JoinedRows(IReadOnlyList<WeightPart> parts)
    {
        _columns = checked((int)parts[0].Edit.Shape.AsMatrix().Columns);
        _parts = [.. parts.Select(part =>
        {
            ComposedRows stored = new(part.Edit, part.Edit.Base, _columns);
            return (part.Region is null ? stored : RegionContribution.Base(stored, part.Region, _columns)!, stored, part.Rows);
        })];
    }

    public void Read(long firstRow, int rows, Span<double> values)
    {
        foreach ((IBaseRows part, _, RowRange range) in _parts)
        {
            long first = Math.Max(firstRow, range.First), end = Math.Min(firstRow + rows, range.First + range.Count);
            if (first < end) part.Read(first - range.First, (int)(end - first), values.Slice((int)(first - firstRow) * _columns, (int)(end - first) * _columns));
        }
    }

    public void Dispose()
    {
        foreach ((_, ComposedRows stored, _) in _parts)
        {
            stored.Dispose();
        }
    }
}

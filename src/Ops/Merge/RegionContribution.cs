using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Ops.Merge;

/// <summary>An update of a region: its rows where a tile has them, and nothing elsewhere.</summary>
/// <param name="weight">The update of the weight that the region is.</param>
/// <param name="region">Where the weight lies.</param>
/// <param name="columns">Columns of the whole tensor.</param>
internal sealed class RegionContribution(IContribution weight, Region region, int columns) : IContribution
{
    /// <summary>The rows of a region of the base.</summary>
    public static IBaseRows? Base(IBaseRows? whole, Region region, int columns) => whole is null ? null : new RegionRows(whole, region, columns);

    public void Add(long firstRow, int rows, double factor, ReadOnlySpan<double> @base, Span<double> sum)
    {
        long first = Math.Max(firstRow, region.FirstRow);
        int now = (int)(Math.Min(firstRow + rows, region.FirstRow + region.Rows) - first);
        if (now <= 0) return;
        Span<double> ours = sum.Slice((int)(first - firstRow) * columns, now * columns);
        ReadOnlySpan<double> before = @base.IsEmpty ? default : @base.Slice((int)(first - firstRow) * columns, now * columns);
        if (region.Columns == columns)
        {
            weight.Add(first - region.FirstRow, now, factor, before, ours);
            return;
        }

        int width = (int)region.Columns;
        using RowBuffer narrowSum = new(now * width), narrowBase = new(before.IsEmpty ? 0 : now * width);
        Cut(ours, region, columns, narrowSum.Values);
        if (!before.IsEmpty) Cut(before, region, columns, narrowBase.Values);
        weight.Add(first - region.FirstRow, now, factor, narrowBase.Values, narrowSum.Values);
        for (int i = 0; i < now; i++)
        {
            narrowSum.Values.Slice(i * width, width).CopyTo(ours[((i * columns) + (int)region.FirstColumn)..]);
        }
    }

    public void AddTerms(long firstRow, int rows, double factor, Span<double> sum)
    {
        for (long row = Math.Max(firstRow, region.FirstRow); row < Math.Min(firstRow + rows, region.FirstRow + region.Rows); row++)
        {
            weight.AddTerms(row - region.FirstRow, 1, factor, sum.Slice((int)(((row - firstRow) * columns) + region.FirstColumn), (int)region.Columns));
        }
    }

    public void Dispose() => weight.Dispose();

    private static void Cut(ReadOnlySpan<double> rows, Region region, int columns, Span<double> narrow)
    {
        int width = (int)region.Columns;
        for (int i = 0; i * columns < rows.Length; i++)
        {
            rows.Slice((i * columns) + (int)region.FirstColumn, width).CopyTo(narrow[(i * width)..]);
        }
    }

    private sealed class RegionRows(IBaseRows whole, Region region, int columns) : IBaseRows
    {
        public void Read(long firstRow, int rows, Span<double> values)
        {
            if (region.Columns == columns)
            {
                whole.Read(region.FirstRow + firstRow, rows, values);
                return;
            }

            using RowBuffer row = new(columns);
            for (int i = 0; i < rows; i++)
            {
                whole.Read(region.FirstRow + firstRow + i, 1, row.Values);
                Cut(row.Values, region, columns, values[(i * (int)region.Columns)..]);
            }
        }
    }
}

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>A small product of rank one, placed in an update that is 0 elsewhere: value · down ⊗ across, its first element at (row, column).</summary>
/// <param name="Row">The first row; may lie above the matrix.</param>
/// <param name="Column">The first column; may lie left of the matrix.</param>
/// <param name="Value">The factor.</param>
/// <param name="Down">By row.</param>
/// <param name="Across">By column.</param>
internal readonly record struct SparsePatch(int Row, int Column, double Value, double[] Down, double[] Across);

/// <summary>An update that is 0 but for patches; those that overlap add up, and what lies outside the matrix is cut.</summary>
internal sealed class SparsePatches : IContribution
{
    private readonly SparsePatch[] _patches;
    private readonly int _columns;
    private readonly int _height;
    private readonly double _scale;

    /// <param name="columns">Of the matrix.</param>
    /// <param name="scale">What all are multiplied by.</param>
    /// <param name="patches">In any order; of the same row they are added in the order given.</param>
    public SparsePatches(int columns, double scale, IEnumerable<SparsePatch> patches)
    {
        _patches = [.. patches.OrderBy(patch => patch.Row)];
        (_columns, _scale) = (columns, scale);
        _height = _patches.Select(patch => patch.Down.Length).DefaultIfEmpty(0).Max();
    }

    public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum) => AddRows(firstRow, rows, weight, false, sum);

    public void AddTerms(long firstRow, int rows, double weight, Span<double> sum) => AddRows(firstRow, rows, weight, true, sum);

    public void Dispose()
    {
    }

    private void AddRows(long firstRow, int rows, double weight, bool absolute, Span<double> sum)
    {
        for (int i = First(firstRow - _height + 1); i < _patches.Length && _patches[i].Row < firstRow + rows; i++)
        {
            SparsePatch patch = _patches[i];
            long top = patch.Row - firstRow;
            for (int p = (int)Math.Max(0, -top); p < patch.Down.Length && top + p < rows; p++)
            {
                Span<double> row = sum.Slice((int)(top + p) * _columns, _columns);
                double factor = patch.Value * patch.Down[p] * _scale * weight;
                for (int q = Math.Max(0, -patch.Column); q < patch.Across.Length && patch.Column + q < _columns; q++)
                {
                    double product = factor * patch.Across[q];
                    row[patch.Column + q] += absolute ? Math.Abs(product) : product;
                }
            }
        }
    }

    /// <summary>The first patch that begins at a row or below.</summary>
    private int First(long row)
    {
        (int low, int high) = (0, _patches.Length);
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_patches[middle].Row < row) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}

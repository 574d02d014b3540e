namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>
/// ‖Left[i, :]‖ and ‖Right[:, j]‖ of a product in doubles. By Cauchy and Schwarz the product of the two is no less than Σₖ |Left[i, k]·Right[k, j]|, which
/// bounds what rounding can do to an element.
/// </summary>
internal sealed class FactorNorms
{
    private readonly double[] _rows;
    private readonly double[] _columns;

    /// <param name="left">[rows, rank].</param>
    /// <param name="right">[rank, columns].</param>
    /// <param name="rows">Rows of the product.</param>
    /// <param name="columns">Columns of the product.</param>
    public FactorNorms(ReadOnlySpan<double> left, ReadOnlySpan<double> right, long rows, int columns)
    {
        int rank = right.Length / Math.Max(columns, 1);
        _rows = new double[rows];
        _columns = new double[columns];
        for (int i = 0; i < _rows.Length; i++)
        {
            double squares = 0;
            foreach (double value in left.Slice(i * rank, rank))
            {
                squares += value * value;
            }

            _rows[i] = Math.Sqrt(squares);
        }

        for (int k = 0; k < rank; k++)
        {
            for (int j = 0; j < _columns.Length; j++)
            {
                double value = right[(k * _columns.Length) + j];
                _columns[j] += value * value;
            }
        }

        for (int j = 0; j < _columns.Length; j++)
        {
            _columns[j] = Math.Sqrt(_columns[j]);
        }
    }

    /// <summary>An upper bound of Σₖ |Left[row, k]·Right[k, column]|.</summary>
    public double Bound(long row, int column) => _rows[row] * _columns[column];

    /// <summary>sum[i, :] += factor · the bounds of row firstRow + i.</summary>
    public void Add(long firstRow, int rows, double factor, Span<double> sum)
    {
        for (int i = 0; i < rows; i++)
        {
            RowLoops.AddScaled(_columns, _rows[firstRow + i] * factor, sum.Slice(i * _columns.Length, _columns.Length));
        }
    }
}

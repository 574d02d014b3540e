namespace LoraKit.Ops.Compute;

/// <summary>
/// ‖Left[i, :]‖ and ‖Right[:, j]‖ of a product in doubles. By Cauchy and Schwarz the product of the two is no less than Σₖ |Left[i, k]·Right[k, j]|, which
/// bounds what rounding can do to an element.
/// </summary>
internal sealed class FactorNorms
{
    private readonly double[] _rows;
    private readonly double[] _columns;

    public FactorNorms(LowRankProduct product)
    {
        (double[] left, double[] right) = (product.LeftDouble!, product.RightDouble!);
        _rows = new double[product.Rows];
        _columns = new double[product.Columns];
        for (int i = 0; i < _rows.Length; i++)
        {
            double squares = 0;
            foreach (double value in left.AsSpan(i * product.Rank, product.Rank))
            {
                squares += value * value;
            }

            _rows[i] = Math.Sqrt(squares);
        }

        for (int k = 0; k < product.Rank; k++)
        {
            for (int j = 0; j < _columns.Length; j++)
            {
                double value = right[((long)k * product.Columns) + j];
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
}

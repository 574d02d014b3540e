using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Ops.Merge;

/// <summary>The base of an update whose weight is stored as [in, out]: turned to [out, in], all of it in memory.</summary>
internal sealed class TurnedRows(double[] values, int columns) : IBaseRows
{
    /// <summary>[out, in], row-major.</summary>
    public double[] Values { get; } = values;

    /// <param name="stored">The base as it is stored.</param>
    /// <param name="rows">Rows as stored: in.</param>
    /// <param name="columns">Columns as stored: out.</param>
    public static TurnedRows Of(IBaseRows stored, int rows, int columns)
    {
        double[] turned = new double[(long)rows * columns];
        double[] row = new double[columns];
        for (int i = 0; i < rows; i++)
        {
            stored.Read(i, 1, row);
            for (int j = 0; j < columns; j++)
            {
                turned[((long)j * rows) + i] = row[j];
            }
        }

        return new(turned, rows);
    }

    public void Read(long firstRow, int rows, Span<double> destination) => Values.AsSpan((int)(firstRow * columns), rows * columns).CopyTo(destination);
}

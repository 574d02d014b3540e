namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>Rows of a scaled product of two matrices.</summary>
internal sealed class ProductContribution(int columns, double scale, IProductRows product) : IContribution
{
    public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
    {
        using RowBuffer buffer = new(rows * columns);
        product.Fill(firstRow, rows, buffer.Values);
        RowLoops.AddScaled(buffer.Values, scale * weight, sum);
    }

    public void Dispose() => product.Dispose();
}

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>Rows of scale · Left [out, rank] · Right [rank, in].</summary>
internal sealed class ProductContribution(ContributionContext context, double scale, int rank, double[] left, double[] right) : IContribution
{
    private readonly int _columns = context.Columns;
    private readonly IProductRows _product = context.Arithmetic.Product(context.Rows, context.Columns, rank, left, right);
    private readonly Lazy<FactorNorms> _norms = new(() => new(left, right, context.Rows, context.Columns));

    public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
    {
        using RowBuffer buffer = new(rows * _columns);
        _product.Fill(firstRow, rows, buffer.Values);
        RowLoops.AddScaled(buffer.Values, scale * weight, sum);
    }

    public void AddTerms(long firstRow, int rows, double weight, Span<double> sum) => _norms.Value.Add(firstRow, rows, Math.Abs(scale * weight), sum);

    public void Dispose() => _product.Dispose();
}

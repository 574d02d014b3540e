namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>
/// ‖W[i, :]‖ as the bound of Σ|terms| of every element of a row that is rotated: rotations keep it, and by Cauchy and Schwarz no element's
/// terms add up to more.
/// </summary>
/// <param name="context">Where W is.</param>
/// <param name="outputs">What each row is multiplied by afterwards; null for nothing.</param>
internal sealed class BaseRowNorms(ContributionContext context, double[]? outputs = null)
{
    /// <summary>sum[i, :] += factor · |outputs[firstRow + i]| · ‖W[firstRow + i, :]‖.</summary>
    public void Add(long firstRow, int rows, double factor, Span<double> sum)
    {
        using RowBuffer row = new(context.Columns);
        for (int i = 0; i < rows; i++)
        {
            context.Base.Read(firstRow + i, 1, row.Values);
            double bound = factor * RowLoops.Norm(row.Values) * (outputs is null ? 1 : Math.Abs(outputs[firstRow + i]));
            foreach (ref double value in sum.Slice(i * context.Columns, context.Columns))
            {
                value += bound;
            }
        }
    }
}

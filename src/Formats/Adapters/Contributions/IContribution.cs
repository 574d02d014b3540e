namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>Rows of one update ΔW, in F64. What the rows share is read; all members may be called from several threads at once.</summary>
internal interface IContribution : IDisposable
{
    /// <summary>sum[i, :] += weight · ΔW[firstRow + i, :].</summary>
    /// <param name="firstRow">The first row of the weight, as [out, in·kernel].</param>
    /// <param name="rows">How many.</param>
    /// <param name="weight">What the adapter was given.</param>
    /// <param name="base">The same rows of W, before any update; empty where no update of the tensor needs the base.</param>
    /// <param name="sum">rows × columns.</param>
    void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum);

    /// <summary>
    /// sum[i, :] += |weight| · (a bound of Σ|terms| of ΔW[firstRow + i, :]), where elements are sums whose terms may cancel: what rounding each of them
    /// may come to. A kind that says nothing has no larger terms than W and ΔW themselves. See spec/algebra.md, "verify".
    /// </summary>
    void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
    {
    }
}

namespace LoraKit.Ops.Resize;

/// <summary>
/// How a module's new rank follows from the singular values σ₀ ≥ σ₁ ≥ … of its B·A, all of them: a closed family. See spec/algebra.md,
/// "resize".
/// </summary>
public abstract record RankPolicy
{
    private RankPolicy()
    {
    }

    /// <summary>The same rank for every module; smaller modules grow by zeros.</summary>
    /// <param name="Rank">At least 1.</param>
    public sealed record Fixed(int Rank) : RankPolicy;

    /// <summary>The smallest k with Σσ²[:k] ≥ E·Σσ².</summary>
    /// <param name="Share">E, above 0, at most 1.</param>
    public sealed record Energy(double Share) : RankPolicy;

    /// <summary>#{σ &gt; σ₀/P}, as sd-scripts' <c>sv_ratio</c>.</summary>
    /// <param name="Ratio">P, at least 1.</param>
    public sealed record SvRatio(double Ratio) : RankPolicy;

    /// <summary>The smallest k with Σσ²[:k]/Σσ² ≥ P², as sd-scripts' <c>sv_fro</c>.</summary>
    /// <param name="Share">P, a share of the Frobenius norm: above 0, at most 1.</param>
    public sealed record SvFro(double Share) : RankPolicy;

    /// <summary>The smallest k with Σσ[:k]/Σσ ≥ P, as sd-scripts' <c>sv_cumulative</c>.</summary>
    /// <param name="Share">P, above 0, at most 1.</param>
    public sealed record SvCumulative(double Share) : RankPolicy;

    /// <summary>The smallest k with √(Σσ²[k:]/Σσ²) ≤ E.</summary>
    /// <param name="Relative">E, the relative Frobenius error of a module: at least 0, below 1.</param>
    public sealed record MaxError(double Relative) : RankPolicy;

    /// <summary>One budget for all modules: ranks go where they keep the most energy, s²σ², for their bytes.</summary>
    /// <param name="Bytes">What the adapter's files may come to.</param>
    public sealed record TotalBytes(long Bytes) : RankPolicy;
}

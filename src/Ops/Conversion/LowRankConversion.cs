using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;
using LoraKit.Ops.Resize;

namespace LoraKit.Ops.Conversion;

/// <summary>An update that became a product.</summary>
/// <param name="Delta">The product.</param>
/// <param name="Report">How good it is.</param>
/// <param name="Residual">‖ΔW − s·B·A‖²_F with the factors as they are stored.</param>
/// <param name="Energy">‖ΔW‖²_F.</param>
internal sealed record ConvertedUpdate(LowRankDelta Delta, ConvertedModule Report, double Residual, double Energy);

/// <summary>
/// ΔW → s·B·A: its exact factors; or those, decomposed and cut; or, where it has none, a decomposition of its rows. The error is measured on
/// the rows, whatever the way. See spec/algebra.md, "To low rank".
/// </summary>
internal sealed class LowRankConversion(ConvertOptions options, int threads, ICompute compute, RoundingLosses losses, CancellationToken cancellation)
{
    /// <summary>Singular values smaller than this, next to the largest, are rounding errors of F64.</summary>
    private const double Rounding = 1e-14;

    private readonly RandomizedSvdOptions _sketching = options.Sketching with { Threads = threads };

    /// <exception cref="NonFiniteException">A tensor holds NaN or infinity, or ΔW does.</exception>
    /// <exception cref="UnsupportedException">It does not fit in memory.</exception>
    public ConvertedUpdate Run(PlannedUpdate update)
    {
        using UpdateRows rows = update.Rows(out IDisposable? @base);
        using IDisposable? disposable = @base;
        try
        {
            return Measured(update, rows, update.Exact is { } exact ? OfFactors(update, exact) : OfRows(rows));
        }
        catch (NonFiniteException failure)
        {
            throw DeltaProduct.Named(failure, update.Delta.Target, update.Delta.Tensors.Select(t => t.File).FirstOrDefault());
        }
    }

    private ConvertedUpdate Measured(PlannedUpdate update, UpdateRows rows, Factors factors)
    {
        int rank = factors.Rank;
        string module = update.Target.Module.Path;
        ComputedTensor up = FactorStore.Store($"{module}.up", update.UpShape(rank), factors.Up, update.SourceType, options.Output.ElementType, losses);
        ComputedTensor down = FactorStore.Store($"{module}.down", update.DownShape(rank), factors.Down, update.SourceType, options.Output.ElementType, losses);
        (double residual, double energy) = RandomizedSvd.Compare(rows, ScaledValues.Of(up, factors.Scale), down.ToDoubles(), _sketching, cancellation);
        ConvertedModule report = update.Outline with
        {
            Form = factors.SingularValues is null ? ConvertedForm.Exact : ConvertedForm.Truncated,
            Rank = rank,
            RelativeError = energy == 0 ? 0 : Math.Sqrt(residual / energy),
            LargestSingularValue = factors.SingularValues?.FirstOrDefault(),
            SmallestSingularValue = factors.SingularValues?.LastOrDefault(),
        };
        return new(update.With(down, up, factors.Scale), report, residual, energy);
    }

    private Factors OfFactors(PlannedUpdate update, LowRankFactors exact)
    {
        (double[] up, double[] down) = (ScaledValues.Of(exact.Up, 1), ScaledValues.Of(exact.Down, 1));
        int rank = (int)exact.Down.Shape[0];
        if (update.Form == ConvertedForm.Exact) return new(up, down, rank, exact.Scale);
        (long rows, long columns) = update.Matrix;
        using ILowRankSvd svd = compute.Decompose(new LowRankProduct(rows, (int)columns, rank, up, down));
        Spectrum spectrum = new(svd.SingularValues);
        int kept = Math.Min(Wanted(spectrum), Significant(spectrum));
        // No gain over what is exact: a bound that the update itself is just within.
        if (kept >= rank) return new(up, down, rank, exact.Scale);
        SingularVectors vectors = svd.Take(kept);
        double[] left = exact.Scale < 0 ? [.. vectors.Left.Select(value => -value)] : vectors.Left;
        return Balanced(left, [.. svd.SingularValues.Take(kept).Select(value => value * Math.Abs(exact.Scale))], vectors.Right, (int)columns);
    }

    private Factors OfRows(UpdateRows rows)
    {
        ApproximateSvd svd = RandomizedSvd.Run(rows, _sketching, compute, cancellation);
        // Zero is a product of rank 1 too, and the module stays a module.
        if (svd.Rank == 0) return new(new double[rows.Rows], new double[rows.Columns], 1, 1);
        return Balanced(svd.Left, svd.SingularValues, svd.Right, rows.Columns);
    }

    private static Factors Balanced(double[] left, IReadOnlyList<double> singularValues, double[] right, int columns)
    {
        double[] down = BalancedFactors.Transposed(BalancedFactors.Of(right, singularValues), columns, singularValues.Count);
        return new(BalancedFactors.Of(left, singularValues), down, singularValues.Count, 1) { SingularValues = singularValues };
    }

    private int Wanted(Spectrum spectrum) => options switch
    {
        { Rank: { } rank } => Math.Min(rank, spectrum.Count),
        { Energy: { } energy } => RankCriterion.Rank(new RankPolicy.Energy(energy), spectrum),
        { MaxError: { } error } => RankCriterion.Rank(new RankPolicy.MaxError(error), spectrum),
        _ => spectrum.Count,
    };

    private static int Significant(Spectrum spectrum)
    {
        int count = 1;
        while (count < spectrum.Count && spectrum.Relative[count] > Rounding) count++;
        return count;
    }

    /// <param name="Up">B: [out, r], row-major.</param>
    /// <param name="Down">A: [r, in·kernel], row-major.</param>
    /// <param name="Rank">r.</param>
    /// <param name="Scale">s.</param>
    private sealed record Factors(double[] Up, double[] Down, int Rank, double Scale)
    {
        /// <summary>Of ΔW, those that were kept; null of factors that are exact.</summary>
        public IReadOnlyList<double>? SingularValues { get; init; }
    }
}

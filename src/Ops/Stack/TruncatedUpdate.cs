using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Stack;

/// <summary>A combined update cut to its rank, B·A with the singular values' roots in either factor, and what the cut took.</summary>
/// <param name="Up">U·diag(√σ): [out, k].</param>
/// <param name="Down">diag(√σ)·Vᵀ: [k, in].</param>
/// <param name="Norm">√Σσ² of the whole.</param>
/// <param name="Lost">√Σσ² of the tail.</param>
internal sealed record TruncatedUpdate(Matrix Up, Matrix Down, double Norm, double Lost)
{
    /// <summary>Cuts a product.</summary>
    public static TruncatedUpdate Of(CombinedUpdate update, StackedModule module, RankChoice choice, ICompute compute)
    {
        if (update.Rank == 0) return Zero(module);
        using ILowRankSvd svd = ThinSvd.Decompose(update.Left, update.Right, compute);
        int rank = choice.Of(svd.SingularValues, module);
        double[] sigma = [.. svd.SingularValues];
        return Of(ThinSvd.Take(svd, module.Rows, module.Columns, rank), FrobeniusNorm.Of(sigma), FrobeniusNorm.Of(sigma.AsSpan(rank)));
    }

    /// <summary>Of what a sketch has kept.</summary>
    public static TruncatedUpdate Of(ApproximateSvd svd, StackedModule module)
    {
        if (svd.Rank == 0) return Zero(module);
        ThinSvd thin = ThinSvd.Oriented(
            new Matrix(module.Rows, svd.Rank, svd.Left), [.. svd.SingularValues], new Matrix(module.Columns, svd.Rank, svd.Right));
        double norm = Math.Sqrt(svd.TotalEnergy);
        return Of(thin, norm, svd.RelativeError * norm);
    }

    private static TruncatedUpdate Of(ThinSvd thin, double norm, double lost)
    {
        double[] roots = [.. thin.Sigma.Select(Math.Sqrt)];
        return new TruncatedUpdate(thin.U.ScaledColumns(roots), thin.V.ScaledColumns(roots).Transposed(), norm, lost);
    }

    private static TruncatedUpdate Zero(StackedModule module) => new(new Matrix(module.Rows, 1), new Matrix(1, module.Columns), 0, 0);
}

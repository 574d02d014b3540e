using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Stack;

/// <summary>A combined update cut to its rank, B·A with the singular values' roots in either factor, and what the cut took.</summary>
/// <param name="Up">U·diag(√σ): [out, k].</param>
/// <param name="Down">diag(√σ)·Vᵀ: [k, in].</param>
/// <param name="Energy">Σσ² of the whole.</param>
/// <param name="LostEnergy">Σσ² of the tail.</param>
internal sealed record TruncatedUpdate(Matrix Up, Matrix Down, double Energy, double LostEnergy)
{
    /// <summary>Cuts a product.</summary>
    public static TruncatedUpdate Of(CombinedUpdate update, StackedModule module, RankChoice choice, ICompute compute)
    {
        if (update.Rank == 0) return Zero(module);
        using ILowRankSvd svd = ThinSvd.Decompose(update.Left, update.Right, compute);
        int rank = choice.Of(svd.SingularValues, module);
        double kept = svd.SingularValues.Take(rank).Sum(s => s * s);
        double lost = svd.SingularValues.Skip(rank).Sum(s => s * s);
        return Of(ThinSvd.Take(svd, module.Rows, module.Columns, rank), kept + lost, lost);
    }

    /// <summary>Of what a sketch has kept.</summary>
    public static TruncatedUpdate Of(ApproximateSvd svd, StackedModule module)
    {
        if (svd.Rank == 0) return Zero(module);
        ThinSvd thin = ThinSvd.Oriented(
            new Matrix(module.Rows, svd.Rank, svd.Left), [.. svd.SingularValues], new Matrix(module.Columns, svd.Rank, svd.Right));
        return Of(thin, svd.TotalEnergy, svd.RelativeError * svd.RelativeError * svd.TotalEnergy);
    }

    private static TruncatedUpdate Of(ThinSvd thin, double energy, double lost)
    {
        double[] roots = [.. thin.Sigma.Select(Math.Sqrt)];
        return new TruncatedUpdate(thin.U.ScaledColumns(roots), thin.V.ScaledColumns(roots).Transposed(), energy, lost);
    }

    private static TruncatedUpdate Zero(StackedModule module) => new(new Matrix(module.Rows, 1), new Matrix(1, module.Columns), 0, 0);
}

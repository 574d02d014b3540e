using LoraKit.Ops.Compute;

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
        if (update.Rank == 0) return new TruncatedUpdate(new Matrix(module.Rows, 1), new Matrix(1, module.Columns), 0, 0);
        using ILowRankSvd svd = ThinSvd.Decompose(update.Left, update.Right, compute);
        return Of(svd, module, choice);
    }

    /// <summary>Cuts a spectrum that is whole.</summary>
    public static TruncatedUpdate Of(ILowRankSvd svd, StackedModule module, RankChoice choice)
    {
        int rank = choice.Of(svd.SingularValues, module);
        double kept = svd.SingularValues.Take(rank).Sum(s => s * s);
        double lost = svd.SingularValues.Skip(rank).Sum(s => s * s);
        ThinSvd thin = ThinSvd.Take(svd, module.Rows, module.Columns, rank);
        double[] roots = [.. thin.Sigma.Select(Math.Sqrt)];
        return new TruncatedUpdate(thin.U.ScaledColumns(roots), thin.V.ScaledColumns(roots).Transposed(), kept + lost, lost);
    }
}

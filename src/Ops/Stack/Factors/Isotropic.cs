using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>
/// Iso-C (arXiv:2502.04959): Σ Δ_t = U·diag(σ)·Vᵀ with every singular value replaced by their mean, ΔW = mean(σ)·U·Vᵀ. Over the span of
/// the sum: a low-rank update has no more directions, and those that a dense SVD would add are arbitrary.
/// </summary>
internal sealed class Isotropic() : FactorMethod("iso", StackSetting.Lambda, RankDefault.Lossless)
{
    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute)
    {
        CombinedUpdate sum = CombinedUpdate.Sum(tasks);
        ThinSvd svd = ThinSvd.Of(sum.Left, sum.Right, compute);
        double mean = svd.Rank == 0 ? 0 : svd.Sigma.Average();
        return new CombinedUpdate(svd.U.ScaledColumns([.. Enumerable.Repeat(mean, svd.Rank)]), svd.V.Transposed());
    }
}

using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.Elements;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>
/// KnOTS (arXiv:2410.19735): [Δ₁ | … | Δ_T] = U·diag(σ)·[V₁ᵀ | … | V_Tᵀ] puts all tasks into one basis; ΔW = U · TIES(diag(σ)·V₁ᵀ, …).
/// With Δ_t = U_t·diag(σ_t)·V_tᵀ and [U₁diag(σ₁) | …] = U·diag(σ)·Wᵀ, the part of task t is diag(σ)·W_tᵀ·V_tᵀ: [R, in].
/// </summary>
internal sealed class Knots() : FactorMethod("knots", StackSetting.Density | StackSetting.Sign | StackSetting.Lambda, RankDefault.Lossless)
{
    private readonly Ties _ties = new();

    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute)
    {
        ThinSvd[] parts = [.. tasks.Select(t => ThinSvd.Of(t.Up, t.Down, compute))];
        ThinSvd joint = ThinSvd.Of(Matrix.Beside([.. parts.Select(p => p.U.ScaledColumns(p.Sigma))]), compute);
        List<TaskMatrix> aligned = [];
        int first = 0;
        foreach (ThinSvd part in parts)
        {
            Matrix coordinates = joint.V.RowRange(first, part.Rank).ScaledColumns(joint.Sigma).Transposed();
            aligned.Add(new TaskMatrix(coordinates.Times(part.V.Transposed()), default));
            first += part.Rank;
        }

        return new CombinedUpdate(joint.U, _ties.Merge(aligned, settings));
    }
}

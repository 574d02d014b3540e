using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.Elements;

namespace LoraKit.Ops.Stack;

/// <summary>
/// Core Space (arXiv:2509.17786): [B₁ | … | B_T] = U_B·diag(β)·W_Bᵀ and [A₁; …; A_T]ᵀ = V_A·diag(α)·W_Aᵀ are bases that hold every
/// task; its coordinates there are M_t = U_Bᵀ·B_t·A_t·V_A = diag(β)·W_{B,t}ᵀ·W_{A,t}·diag(α), at most R × R. The M_t are merged, ΔW = U_B·M·V_Aᵀ.
/// </summary>
internal static class CoreSpace
{
    public static CombinedUpdate Merge(
        IReadOnlyList<TaskUpdate> tasks, ElementMethod method, MethodSettings settings, Func<TaskUpdate, CounterRandom> random, ICompute compute)
    {
        ThinSvd left = ThinSvd.Of(Matrix.Beside([.. tasks.Select(t => t.Up)]), compute);
        ThinSvd right = ThinSvd.Of(Matrix.Above([.. tasks.Select(t => t.Down)]).Transposed(), compute);
        if (left.Rank == 0 || right.Rank == 0) return new CombinedUpdate(left.U, new Matrix(left.Rank, tasks[0].Down.Columns));
        List<TaskMatrix> cores = [];
        int first = 0;
        foreach (TaskUpdate task in tasks)
        {
            Matrix b = left.V.RowRange(first, task.Rank).ScaledColumns(left.Sigma).Transposed();
            Matrix a = right.V.RowRange(first, task.Rank).ScaledColumns(right.Sigma);
            cores.Add(new TaskMatrix(b.Times(a), random(task)));
            first += task.Rank;
        }

        return new CombinedUpdate(left.U.Times(method.Merge(cores, settings)), right.U.Transposed());
    }
}

using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>
/// TSV-M (arXiv:2412.00081): of each task the largest min(out, in)/T singular values with their vectors; all tasks' vectors side by side,
/// each side replaced by the nearest matrix with orthonormal columns (its polar factor), ΔW = Û·diag(σ)·V̂ᵀ.
/// </summary>
internal sealed class TaskSingularVectors() : FactorMethod("tsv", StackSetting.Lambda, RankDefault.Lossless)
{
    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute)
    {
        int share = Math.Max(1, Math.Min(tasks[0].Up.Rows, tasks[0].Down.Columns) / tasks.Count);
        ThinSvd[] parts = [.. tasks.Select(t => Largest(t, share, compute))];
        double[] sigma = [.. parts.SelectMany(p => p.Sigma)];
        Matrix left = Polar(Matrix.Beside([.. parts.Select(p => p.U)]), compute);
        Matrix right = Polar(Matrix.Beside([.. parts.Select(p => p.V)]), compute);
        return new CombinedUpdate(left.ScaledColumns(sigma), right.Transposed());
    }

    private static ThinSvd Largest(TaskUpdate task, int share, ICompute compute)
    {
        using ILowRankSvd svd = ThinSvd.Decompose(task.Up, task.Down, compute);
        (int rows, int columns) = (task.Up.Rows, task.Down.Columns);
        return ThinSvd.Take(svd, rows, columns, Math.Min(share, ThinSvd.NumericalRank(svd.SingularValues, rows, columns)));
    }

    // X = P·diag(d)·Qᵀ → P·Qᵀ, over the span of X where its columns depend on each other.
    private static Matrix Polar(Matrix vectors, ICompute compute)
    {
        ThinSvd svd = ThinSvd.Of(vectors, compute);
        return svd.U.Times(svd.V.Transposed());
    }
}

using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Elements;

/// <summary>
/// SCE (arXiv:2408.07990): select the elements that vary most between tasks; calculate each task's share η_t = ‖x_t‖² / Σ‖x‖² of
/// what is selected; erase the elements whose sign is not that of the sum. The result is Σ η_t·x_t.
/// </summary>
internal sealed class SelectCalculateErase() : ElementMethod("sce", StackSetting.Density)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        Select(tasks, settings.Density);
        double[] norms = [.. tasks.Select(task => FrobeniusNorm.Of(task.Values))];
        double all = FrobeniusNorm.Of(norms);
        Matrix merged = new(tasks[0].Delta.Rows, tasks[0].Delta.Columns);
        if (all == 0) return merged;
        double[] shares = [.. norms.Select(norm => norm / all * (norm / all))];
        for (int i = 0; i < merged.Values.Length; i++)
        {
            int sign = DisjointMean.Elect(tasks, i, SignElection.Total);
            for (int t = 0; t < tasks.Count; t++)
            {
                if (sign != 0 && Math.Sign(tasks[t].Values[i]) == sign) merged.Values[i] += shares[t] * tasks[t].Values[i];
            }
        }

        return merged;
    }

    // Where no element varies (one task, or the same one again) none stands out: all are selected.
    private static void Select(IReadOnlyList<TaskMatrix> tasks, double density)
    {
        double[] variances = new double[tasks[0].Values.Length];
        for (int i = 0; i < variances.Length; i++)
        {
            double mean = 0;
            foreach (TaskMatrix task in tasks) mean += task.Values[i];
            mean /= tasks.Count;
            foreach (TaskMatrix task in tasks) variances[i] += (task.Values[i] - mean) * (task.Values[i] - mean);
        }

        if (!variances.AsSpan().ContainsAnyExcept(0.0)) return;
        LargestMagnitudes selected = new(variances, LargestMagnitudes.CountOf(density, variances.Length));
        for (int i = 0; i < variances.Length; i++)
        {
            if (selected.Includes(variances[i])) continue;
            foreach (TaskMatrix task in tasks) task.Values[i] = 0;
        }
    }
}

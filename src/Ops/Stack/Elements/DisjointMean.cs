namespace LoraKit.Ops.Stack.Elements;

/// <summary>
/// TIES' last two steps: an elected sign γ for every element, and the mean of those tasks' elements that have it,
/// Σ {x_t : sgn x_t = γ} / |{t : sgn x_t = γ}|. Zeros have no sign; without a majority the result is 0.
/// </summary>
internal static class DisjointMean
{
    public static Matrix Of(IReadOnlyList<TaskMatrix> tasks, SignElection election)
    {
        Matrix mean = new(tasks[0].Delta.Rows, tasks[0].Delta.Columns);
        for (int i = 0; i < mean.Values.Length; i++)
        {
            int sign = Elect(tasks, i, election);
            double sum = 0;
            int count = 0;
            foreach (TaskMatrix task in tasks)
            {
                if (sign == 0 || Math.Sign(task.Values[i]) != sign) continue;
                sum += task.Values[i];
                count++;
            }

            if (count > 0) mean.Values[i] = sum / count;
        }

        return mean;
    }

    /// <summary>γ of one element: 1, −1, or 0 for none.</summary>
    public static int Elect(IReadOnlyList<TaskMatrix> tasks, int element, SignElection election)
    {
        double total = 0;
        int votes = 0;
        foreach (TaskMatrix task in tasks)
        {
            total += task.Values[element];
            votes += Math.Sign(task.Values[element]);
        }

        return election == SignElection.Frequency && votes != 0 ? Math.Sign(votes) : Math.Sign(total);
    }
}

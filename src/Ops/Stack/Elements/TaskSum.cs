namespace LoraKit.Ops.Stack.Elements;

/// <summary>Σ_t x_t.</summary>
internal static class TaskSum
{
    public static Matrix Of(IReadOnlyList<TaskMatrix> tasks)
    {
        Matrix sum = new(tasks[0].Delta.Rows, tasks[0].Delta.Columns);
        foreach (TaskMatrix task in tasks)
        {
            for (int i = 0; i < sum.Values.Length; i++) sum.Values[i] += task.Values[i];
        }

        return sum;
    }
}

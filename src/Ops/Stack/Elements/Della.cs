namespace LoraKit.Ops.Stack.Elements;

/// <summary>
/// DELLA (arXiv:2406.11617): drop at random, the smaller of a row more likely than the larger: p = density − ε + 2ε·rank/(n − 1) is an
/// element's probability of staying and its divisor. Then elect signs and average what agrees.
/// </summary>
internal sealed class Della() : ElementMethod("della", StackSetting.Density | StackSetting.Seed | StackSetting.Sign | StackSetting.Epsilon)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        foreach (TaskMatrix task in tasks) Drop(task, settings.Density, settings.Epsilon);
        return DisjointMean.Of(tasks, settings.Sign);
    }

    private static void Drop(TaskMatrix task, double density, double epsilon)
    {
        int columns = task.Delta.Columns;
        int[] order = new int[columns];
        for (int row = 0; row < task.Delta.Rows; row++)
        {
            double[] values = task.Values;
            int first = row * columns;
            for (int j = 0; j < columns; j++) order[j] = j;
            Array.Sort(order, (a, b) => Math.Abs(values[first + a]).CompareTo(Math.Abs(values[first + b])) is var c && c != 0 ? c : a - b);
            for (int rank = 0; rank < columns; rank++)
            {
                int at = first + order[rank];
                double stays = columns == 1 ? density : density - epsilon + (2 * epsilon * rank / (columns - 1));
                values[at] = task.Random.Uniform(at) < stays ? values[at] / stays : 0;
            }
        }
    }
}

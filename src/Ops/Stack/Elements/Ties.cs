namespace LoraKit.Ops.Stack.Elements;

/// <summary>TIES (arXiv:2306.01708): trim each task to its largest elements, elect signs, average what agrees.</summary>
internal sealed class Ties() : ElementMethod("ties", StackSetting.Density | StackSetting.Sign)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        foreach (TaskMatrix task in tasks)
        {
            LargestMagnitudes.Keep(task.Values, LargestMagnitudes.CountOf(settings.Density, task.Values.Length));
        }

        return DisjointMean.Of(tasks, settings.Sign);
    }
}

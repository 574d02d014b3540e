namespace LoraKit.Ops.Stack.Elements;

/// <summary>The sum of each task's largest elements: PEFT's magnitude_prune, on ΔW.</summary>
internal sealed class MagnitudePrune() : ElementMethod("magnitude-prune", StackSetting.Density)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        foreach (TaskMatrix task in tasks)
        {
            LargestMagnitudes.Keep(task.Values, LargestMagnitudes.CountOf(settings.Density, task.Values.Length));
        }

        return TaskSum.Of(tasks);
    }
}

namespace LoraKit.Ops.Stack.Elements;

/// <summary>The sum of what DARE leaves of each task.</summary>
internal sealed class DareLinear() : ElementMethod("dare-linear", StackSetting.Density | StackSetting.Seed)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        RandomDrop.Apply(tasks, settings.Density);
        return TaskSum.Of(tasks);
    }
}

namespace LoraKit.Ops.Stack.Elements;

/// <summary>DARE in the place of TIES' trimming: drop at random, elect signs, average what agrees.</summary>
internal sealed class DareTies() : ElementMethod("dare-ties", StackSetting.Density | StackSetting.Seed | StackSetting.Sign)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        RandomDrop.Apply(tasks, settings.Density);
        return DisjointMean.Of(tasks, settings.Sign);
    }
}

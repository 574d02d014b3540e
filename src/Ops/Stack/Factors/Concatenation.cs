using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>Σ Δ_t, exactly, with the factors side by side: the ranks add up.</summary>
internal sealed class Concatenation() : FactorMethod("cat", StackSetting.None, RankDefault.AsItIs)
{
    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute) =>
        CombinedUpdate.Sum(tasks);
}

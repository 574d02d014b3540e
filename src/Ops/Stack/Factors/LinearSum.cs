using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>Σ Δ_t at the least rank that holds all of it.</summary>
internal sealed class LinearSum() : FactorMethod("linear", StackSetting.None, RankDefault.Lossless)
{
    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute) =>
        CombinedUpdate.Sum(tasks);
}

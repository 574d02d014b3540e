using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>Σ Δ_t cut to the best approximation of a rank (Eckart–Young).</summary>
internal sealed class TruncatedSum() : FactorMethod("svd", StackSetting.None, RankDefault.LargestInput)
{
    public override CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute) =>
        CombinedUpdate.Sum(tasks);
}

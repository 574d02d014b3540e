using LoraKit.Formats.Adapters;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Stack;

/// <summary>Σ w·s·b of a trained bias or a full difference: the methods are for matrices of low rank, these are added up under all of them.</summary>
internal sealed record DenseSum(ParameterName Target, IReadOnlyList<(double Weight, DenseDelta Delta)> Parts)
{
    /// <exception cref="Formats.NonFiniteException">A value is not finite, or too large for the type.</exception>
    public DenseDelta Compute(FactorType type)
    {
        DenseDelta first = Parts[0].Delta;
        double[] sum = new double[first.Values.Shape.ElementCount];
        foreach ((double weight, DenseDelta delta) in Parts)
        {
            double[] values = TaskReader.Scaled(delta.Values, weight * delta.Scale);
            for (int i = 0; i < sum.Length; i++) sum[i] += values[i];
        }

        return new DenseDelta(
            Target, FactorStore.Store(Target.Path, first.Values.Shape, sum, TaskReader.Type(Parts.Select(part => part.Delta.Values)), type), 1);
    }
}

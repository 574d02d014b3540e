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
        double[] sum = Scaled(Parts[0]);
        foreach ((double Weight, DenseDelta Delta) part in Parts.Skip(1))
        {
            double[] values = Scaled(part);
            for (int i = 0; i < sum.Length; i++) sum[i] += values[i];
        }

        return new DenseDelta(
            Target, FactorStore.Store(Target.Path, first.Values.Shape, sum, TaskReader.Type(Parts.Select(part => part.Delta.Values)), type), 1);
    }

    private static double[] Scaled((double Weight, DenseDelta Delta) part) => ScaledValues.Of(part.Delta.Values, part.Weight * part.Delta.Scale);
}

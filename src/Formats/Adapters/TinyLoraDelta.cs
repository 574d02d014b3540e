using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// TinyLoRA: ΔW = B · (Σₖ vₖ·Pₖ) · A, with A and B the base's largest singular directions as the file has them, P fixed random matrices and
/// v the trained vector of a group of modules. Source: arXiv 2602.04118; PEFT. See spec/algebra.md, "TinyLoRA".
/// </summary>
public sealed class TinyLoraDelta : FactoredDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r, in].</param>
    /// <param name="up">B: [out, r].</param>
    /// <param name="projections">P: [u, r, r].</param>
    /// <param name="vector">v: [u].</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes do not chain.</exception>
    public TinyLoraDelta(ParameterName target, TensorValue down, TensorValue up, TensorValue projections, TensorValue vector)
        : base(target, down, Mixed(target, up, projections, vector), 1)
    {
    }

    /// <inheritdoc/>
    public override string Kind => "tinylora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Down, .. Up.Parts];

    /// <summary>B·R with R = Σₖ vₖ·Pₖ.</summary>
    private static RowTensor Mixed(ParameterName target, TensorValue up, TensorValue projections, TensorValue vector)
    {
        foreach (TensorValue tensor in (ReadOnlySpan<TensorValue>)[up, projections, vector])
        {
            RequireValues(target, tensor);
        }

        TensorShape p = projections.Shape;
        bool chain = up.Shape.Rank == 2 && p.Rank == 3 && vector.Shape == new TensorShape(p[0]) && p[1] == up.Shape[1] && p[2] == up.Shape[1] && RowTensor.Fits(p[1], p[1]);
        if (!chain) throw Unfit(target, up, $"tinylora_B {up.Shape}, tinylora_P {p} and tinylora_v {vector.Shape} do not chain; expected [out, r], [u, r, r] and [u]");
        return new(up.Name, up.Shape, [up, projections, vector], () =>
        {
            (double[] left, double[] mixture, int rank) = (up.ToDoubles(), Mixture(projections, vector), (int)up.Shape[1]);
            return (row, values) =>
            {
                values.Clear();
                for (int j = 0; j < rank; j++)
                {
                    RowLoops.AddScaled(mixture.AsSpan(j * rank, rank), left[(row * rank) + j], values);
                }
            };
        });
    }

    private static double[] Mixture(TensorValue projections, TensorValue vector)
    {
        (double[] all, double[] weights) = (projections.ToDoubles(), vector.ToDoubles());
        double[] mixture = new double[all.Length / weights.Length];
        for (int k = 0; k < weights.Length; k++)
        {
            RowLoops.AddScaled(all.AsSpan(k * mixture.Length, mixture.Length), weights[k], mixture);
        }

        return mixture;
    }
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// AdaLoRA: ΔW = Scale · B · (A ∘ E), a value of E for every row of A; of a convolution A is flat, [r, in·kernel]. Source: arXiv 2303.10512;
/// PEFT. See spec/algebra.md, "AdaLoRA".
/// </summary>
public sealed class AdaLoraDelta : FactoredDelta
{
    private readonly IReadOnlyList<TensorValue> _tensors;
    private readonly double _alpha;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r, in·kernel].</param>
    /// <param name="up">B: [out, r].</param>
    /// <param name="values">E: [r, 1].</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, the shapes do not chain, or the scale is not finite.</exception>
    public AdaLoraDelta(ParameterName target, TensorValue down, TensorValue up, TensorValue values, double scale, double alpha)
        : base(target, Scaled(target, down, values), up, scale) => (_tensors, _alpha) = ([down, up, values], alpha);

    /// <inheritdoc/>
    public override string Kind => "adalora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => _tensors;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Rank, _alpha, Scale);

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => FitsReshaped(Shape!.Value, weight);

    private static RowTensor Scaled(ParameterName target, TensorValue down, TensorValue values)
    {
        RequireValues(target, down);
        RequireValues(target, values);
        if (down.Shape.Rank != 2 || values.Shape.ElementCount != down.Shape[0])
        {
            throw Unfit(target, down, $"{down.Name} {down.Shape} and {values.Name} {values.Shape} do not belong together; expected [r, in] and [r, 1]");
        }

        return new(down.Name, down.Shape, [down, values], () =>
        {
            double[] rows = down.ToDoubles(), factors = values.ToDoubles();
            return (row, result) =>
            {
                result.Clear();
                RowLoops.AddScaled(rows.AsSpan((int)row * result.Length, result.Length), factors[row], result);
            };
        });
    }
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Dense: ΔW = Scale · D, of the target's own shape: a trained bias update (PEFT's <c>lora_bias</c>), a full difference (LyCORIS' <c>diff</c>). See
/// spec/algebra.md, "Dense".
/// </summary>
public sealed class DenseDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/> by <paramref name="scale"/> · <paramref name="values"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="values">The update before scaling, in the shape of the target.</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <exception cref="InvalidAdapterException">The values are no real numbers, there are none, or the scale is not finite.</exception>
    public DenseDelta(ParameterName target, TensorValue values, double scale)
        : base(target)
    {
        RequireValues(target, values);
        RequireScale(target, values, scale, $"of '{Files.Printable.Text(target.Parameter)}'");
        Values = values;
        Scale = scale;
    }

    /// <inheritdoc/>
    public override string Kind => "dense";

    /// <summary>The update before scaling.</summary>
    public TensorValue Values { get; private set; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => Values.Shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(null, null, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];

    /// <inheritdoc/>
    internal override AdapterDelta WithTensors(Func<TensorValue, TensorValue> map)
    {
        DenseDelta copy = (DenseDelta)MemberwiseClone();
        copy.Values = map(Values);
        return copy;
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(this, context.Columns, context.Arithmetic);

    private sealed class Contribution(DenseDelta delta, int columns, IContributionArithmetic arithmetic) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer buffer = new(rows * columns);
            arithmetic.Read(delta.Values, firstRow * columns, buffer.Values);
            RowLoops.AddScaled(buffer.Values, delta.Scale * weight, sum);
        }

        public void Dispose()
        {
        }
    }
}

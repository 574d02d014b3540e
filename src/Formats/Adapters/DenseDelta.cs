using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>Δ = Scale · Values, of the target's own shape: a trained bias update (<c>lora_bias</c>), a full difference.</summary>
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
        if (!double.IsFinite(scale))
        {
            throw new InvalidAdapterException(
                $"{Where(target, values)}: the scale of '{Printable.Text(target.Parameter)}' is {scale}; "
                + "expected a finite number", values.File, values.Name);
        }

        Values = values;
        Scale = scale;
    }

    /// <inheritdoc/>
    public override string Kind => "dense";

    /// <summary>The update before scaling.</summary>
    public TensorValue Values { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];
}

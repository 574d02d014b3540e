using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>Δ = Scale · Values, of the target's own shape: a trained bias update (<c>lora_bias</c>), a full difference.</summary>
/// <param name="target">What it updates.</param>
/// <param name="values">The update before scaling, in the shape of the target.</param>
/// <param name="scale">The resolved multiplier; finite.</param>
public sealed class DenseDelta(ParameterName target, TensorValue values, double scale) : AdapterDelta(target)
{
    /// <inheritdoc/>
    public override string Kind => "dense";

    /// <summary>The update before scaling.</summary>
    public TensorValue Values { get; } = values;

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; } = scale;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];
}

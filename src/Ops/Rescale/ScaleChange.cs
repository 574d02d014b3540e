using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Rescale;

/// <summary>One update and the scale it gets.</summary>
/// <param name="Delta">The update as it was read.</param>
/// <param name="Scale">Its new scale.</param>
internal sealed record ScaleChange(AdapterDelta Delta, double Scale)
{
    /// <summary>How often the scale was missing in a file trained with split_qkv.</summary>
    public int? SplitQkv { get; init; }

    /// <summary>The scale of a low-rank or dense update.</summary>
    public static double ScaleOf(AdapterDelta delta) => delta switch
    {
        LowRankDelta lowRank => lowRank.Scale,
        DenseDelta dense => dense.Scale,
        _ => throw new ArgumentException($"{delta.Kind} has no scale", nameof(delta)),
    };

    /// <summary>The update with its new scale beside factors that stay as they are.</summary>
    public AdapterDelta Applied(AlphaRule rule) => Delta switch
    {
        LowRankDelta lowRank when Scale != lowRank.Scale => lowRank.With(lowRank.Down, lowRank.Up, Scale, Scale * rule.Divisor(lowRank)),
        DenseDelta dense when Scale != dense.Scale => new DenseDelta(dense.Target, dense.Values, Scale),
        _ => Delta,
    };

    /// <summary>The update with its new scale multiplied into B, so that alpha is the rank.</summary>
    /// <exception cref="NonFiniteException">A value is not finite, or too large for its element type with the scale.</exception>
    public AdapterDelta Folded(FactorType type) => Delta switch
    {
        LowRankDelta lowRank => lowRank.With(lowRank.Down, Multiplied(lowRank.Up, type), 1, lowRank.Rank),
        DenseDelta dense => new DenseDelta(dense.Target, Multiplied(dense.Values, type), 1),
        _ => Delta,
    };

    private TensorValue Multiplied(TensorValue tensor, FactorType type)
    {
        if (Scale == 1) return tensor;
        return FactorStore.Store(tensor.Name, tensor.Shape, ScaledValues.Of(tensor, Scale), tensor.DType, type);
    }

    /// <exception cref="InvalidOptionException">The new scale is not finite.</exception>
    public ScaleChange Checked() => double.IsFinite(Scale) ? this : throw new InvalidOptionException(
        $"module '{Printable.Text(Delta.Target.Label)}' would get the scale {Scale}; expected a finite number, so choose a smaller one");
}

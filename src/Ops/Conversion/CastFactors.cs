using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion;

/// <summary>An adapter's factors in the element type that was named, each value rounded once; values that are replaced in full keep theirs, as does alpha.</summary>
internal static class CastFactors
{
    /// <param name="adapter">In the layout that is written.</param>
    /// <param name="type">What was asked for; one that names no type changes nothing.</param>
    /// <param name="losses">Told what the rounding takes away.</param>
    /// <exception cref="NonFiniteException">A value is too large for the type.</exception>
    /// <exception cref="UnsupportedException">An update is of a kind that is written as it is.</exception>
    public static Adapter Of(Adapter adapter, FactorType type, RoundingLosses losses)
    {
        if (type.Fixed() is not { } wanted) return adapter;
        return adapter.WithDeltas([.. adapter.Deltas.Select(Cast)]);

        AdapterDelta Cast(AdapterDelta delta) => delta switch
        {
            _ when delta.Tensors.All(tensor => tensor.DType == wanted) => delta,
            LowRankDelta { Down: TuckerDown tucker } lora =>
                lora.With(TuckerDown.Of(lora.Target, Round(tucker.Down), Round(tucker.Mid)), Round(lora.Up), lora.Scale, lora.Alpha),
            LowRankDelta lora => lora.With(Round(lora.Down), Round(lora.Up), lora.Scale, lora.Alpha),
            DenseDelta dense => new DenseDelta(dense.Target, Round(dense.Values), dense.Scale) { Orientation = dense.Orientation, SquareIsInOut = dense.SquareIsInOut, IsEmbedding = dense.IsEmbedding, IsOptional = dense.IsOptional },
            MagnitudeDelta { Magnitude: { } magnitude } dora => new MagnitudeDelta(Cast(dora.Inner), Round(magnitude), dora.Axis, dora.Norm, dora.Epsilon),
            _ => throw new UnsupportedException(
                $"module '{Printable.Text(delta.Target.Label)}': an update of kind {delta.Kind} is written as it is; expected plain LoRA, DoRA or a full difference to be stored as {wanted.FileName()}; "
                + "leave --dtype out", tensor: delta.Target.Path),
        };

        TensorValue Round(TensorValue tensor) =>
            tensor.DType == wanted ? tensor : FactorStore.Store(tensor.Name, tensor.Shape, tensor.ToDoubles(), tensor.DType, type, losses);
    }
}

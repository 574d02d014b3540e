using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>An update ΔW by itself, without a base: as a product in doubles, as [out, in], scale included.</summary>
internal static class UpdateProduct
{
    /// <summary>Reads the update, which must be finite.</summary>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity.</exception>
    /// <exception cref="UnsupportedException">The update is of a kind that needs the base.</exception>
    public static LowRankProduct Of(AdapterDelta delta)
    {
        if (delta is LowRankDelta lowRank) return DeltaProduct.Of(lowRank, lowRank.Scale);
        TensorEdit edit = new(delta.Target.Path, null, DType.F64, ShapeOf(delta));
        edit.Add(new(delta, 1, Transposed: false), delta.Kind);
        return ProductBuilder.Build(edit.Name, edit.Shape, edit.Deltas, inDoubles: true);
    }

    /// <summary>The shape of an update: [out, in, …kernel], or that of the values that are added.</summary>
    /// <exception cref="UnsupportedException">The update is of a kind that needs the base.</exception>
    public static TensorShape ShapeOf(AdapterDelta delta) => delta switch
    {
        LowRankDelta low => new([low.OutFeatures, .. low.Down.Shape.Sizes.AsSpan()[1..]]),
        DenseDelta dense => dense.Values.Shape,
        _ => throw new UnsupportedException(
            $"module '{Printable.Text(delta.Target.Module.Path)}': a {delta.Kind} update is none without its base; "
            + "make plain LoRA of it with convert --to peft --base, or merge it into the base first", tensor: delta.Target.Module.Path),
    };
}

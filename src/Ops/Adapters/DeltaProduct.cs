using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Adapters;

/// <summary>B·A of a low-rank update in F64, without its scale: exact, for every element type is.</summary>
internal static class DeltaProduct
{
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity.</exception>
    /// <exception cref="UnsupportedException">A factor does not fit in memory.</exception>
    public static LowRankProduct Of(LowRankDelta delta)
    {
        if (delta.InFeatures > int.MaxValue || delta.OutFeatures > int.MaxValue)
        {
            throw new UnsupportedException(
                $"module '{Printable.Text(delta.Target.Label)}' is [{delta.OutFeatures}, {delta.InFeatures}], more rows or columns than fit in memory",
                delta.Down.File, delta.Down.Name);
        }

        double[] up = FiniteValues.Require(delta.Up.ToDoubles(), delta.Up);
        double[] down = FiniteValues.Require(delta.Down.ToDoubles(), delta.Down);
        return new LowRankProduct(delta.OutFeatures, (int)delta.InFeatures, (int)delta.Rank, up, down);
    }
}

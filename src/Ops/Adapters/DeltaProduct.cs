using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Adapters;

/// <summary>s·B·A of a low-rank update as [out, in], in F64, s multiplied into B; at scale 1 exact, for every element type is.</summary>
internal static class DeltaProduct
{
    /// <param name="delta">The update.</param>
    /// <param name="scale">s: the update's own does not count by itself.</param>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or s takes it beyond F64.</exception>
    /// <exception cref="UnsupportedException">A factor does not fit in memory.</exception>
    public static LowRankProduct Of(LowRankDelta delta, double scale = 1)
    {
        RequireSize(delta);
        double[] up = ScaledValues.Of(delta.Up, scale);
        double[] down = ScaledValues.Of(delta.Down, 1);
        return new LowRankProduct(delta.OutFeatures, (int)delta.InFeatures, (int)delta.Rank, up, down);
    }

    /// <summary>The decomposition of B·A; what is wrong with it is told by the module's name.</summary>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or B·A is beyond F64.</exception>
    /// <exception cref="UnsupportedException">A factor does not fit in memory.</exception>
    public static ILowRankSvd Decompose(LowRankDelta delta, ICompute compute)
    {
        LowRankProduct product = Of(delta);
        try
        {
            return compute.Decompose(product);
        }
        catch (NonFiniteException beyond)
        {
            throw Named(beyond, delta.Target, delta.Down.File);
        }
    }

    /// <summary>A failure of the arithmetic, with the module it happened to.</summary>
    public static NonFiniteException Named(NonFiniteException failure, ParameterName target, string? file) => failure.Tensor is not null
        ? failure
        : new($"{(file is null ? "" : $"{Printable.Text(file)}: ")}module '{Printable.Text(target.Label)}': {failure.Message}", file, target.Path);

    /// <summary>Rows, columns and rank are numbers that arrays have.</summary>
    /// <exception cref="UnsupportedException">One of them is not.</exception>
    public static void RequireSize(LowRankDelta delta)
    {
        if (Math.Max(Math.Max(delta.OutFeatures, delta.InFeatures), delta.Rank) <= Array.MaxLength) return;
        throw new UnsupportedException(
            $"module '{Printable.Text(delta.Target.Label)}' is [{delta.OutFeatures}, {delta.InFeatures}] of rank {delta.Rank}, more rows, columns or ranks than fit in memory",
            delta.Down.File, delta.Down.Name);
    }
}

using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Inspect;

/// <summary>The singular values of an update ΔW, scale included, and what follows from them.</summary>
/// <param name="SingularValues">σ, descending: min(rank, rows, columns) of them; all others are zero.</param>
public sealed record ModuleSpectrum(IReadOnlyList<double> SingularValues)
{
    /// <summary>‖ΔW‖ = √Σσ², the Frobenius norm.</summary>
    public double Norm => Largest * Math.Sqrt(Squares);

    /// <summary>Σσ² / σ₀²: how many directions share the energy; 0 where the update is zero.</summary>
    public double StableRank => Squares;

    private double Largest => SingularValues.Count == 0 ? 0 : SingularValues[0];

    // Relative to the largest, so that squares neither vanish nor overflow.
    private double Squares => Largest == 0 ? 0 : SingularValues.Sum(s => s / Largest * (s / Largest));

    /// <summary>How many singular values hold a part of the energy Σσ²; 0 where the update is zero.</summary>
    /// <param name="part">Above 0, at most 1.</param>
    public int EnergyRank(double part)
    {
        double wanted = part * Squares, sum = 0;
        int rank = 0;
        while (sum < wanted && rank < SingularValues.Count)
        {
            double share = SingularValues[rank++] / Largest;
            sum += share * share;
        }

        return rank;
    }

    /// <summary>Those of every update, in order; null for one that has NaN or infinity, or is none without a base.</summary>
    internal static ModuleSpectrum?[] Of(
        IReadOnlyList<AdapterDelta> deltas, ICompute compute, int threads, IProgress<OpProgress>? progress, CancellationToken cancellation) => ModuleLoop.Run(
            deltas, delta => Of(delta, compute), d => d.Tensors.Sum(t => t.Shape.ElementCount * t.DType.Bytes()), d => d.Target.Path, threads, progress, cancellation);

    private static ModuleSpectrum? Of(AdapterDelta delta, ICompute compute)
    {
        try
        {
            using ILowRankSvd svd = compute.Decompose(UpdateProduct.Of(delta));
            return new(svd.SingularValues);
        }
        catch (LoraKitException unfit) when (unfit is NonFiniteException or UnsupportedException)
        {
            return null;
        }
    }
}

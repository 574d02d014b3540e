using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Adapters;

/// <summary>What an operation carries over unread: it must be finite all the same, or the result would be a broken adapter that nobody noticed.</summary>
internal static class CarriedValues
{
    /// <exception cref="Formats.NonFiniteException">A tensor holds NaN or infinity; the first such is named.</exception>
    public static void RequireFinite(IEnumerable<TensorValue> tensors, int threads, CancellationToken cancellation)
    {
        if (NonFiniteScan.Run(tensors, threads, progress: null, cancellation).Found is [var found, ..]) throw FiniteValues.Refusal(found.Tensor, found.First);
    }
}

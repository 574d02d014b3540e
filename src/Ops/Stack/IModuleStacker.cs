using LoraKit.Formats.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack;

/// <summary>Combines the updates of one module; modules do not depend on each other.</summary>
internal interface IModuleStacker
{
    /// <summary>The largest rank that the result can have, known from shapes.</summary>
    int RankAtMost(StackedModule module);

    /// <summary>What it holds in memory while it works, in bytes.</summary>
    long WorkingBytes(StackedModule module);

    /// <summary>The combined update.</summary>
    /// <param name="module">The module.</param>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="threads">How many threads this module has for itself; the result does not depend on it.</param>
    /// <param name="cancellation">Stops it, where it takes long.</param>
    /// <exception cref="Formats.NonFiniteException">A factor is not finite, or the result is beyond its element type.</exception>
    StackedUpdate Stack(StackedModule module, ICompute compute, int threads, CancellationToken cancellation);
}

/// <summary>What came of one module.</summary>
/// <param name="Delta">In the canonical form.</param>
/// <param name="Energy">‖ΔW‖²_F of the combined update before it was cut to its rank; null where no such thing was formed.</param>
/// <param name="LostEnergy">What the cut took of it: Σ σ² of the tail.</param>
internal sealed record StackedUpdate(LowRankDelta Delta, double? Energy, double LostEnergy)
{
    /// <summary>‖ΔW − result‖_F / ‖ΔW‖_F; 0 for a module of zeros.</summary>
    public double? RelativeError => Energy is not { } energy ? null : energy > 0 ? Math.Sqrt(LostEnergy / energy) : 0;
}

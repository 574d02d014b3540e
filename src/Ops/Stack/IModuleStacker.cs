using LoraKit.Formats.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack;

/// <summary>Combines the updates of one module; modules do not depend on each other.</summary>
internal interface IModuleStacker
{
    /// <summary>The largest rank that the result can have, known from shapes.</summary>
    int RankAtMost(StackedModule module);

    /// <summary>Refuses a module whose shape alone makes it impossible.</summary>
    /// <exception cref="Formats.LoraKitException">It is larger than arrays are, or has no such rank.</exception>
    void Check(StackedModule module);

    /// <summary>What would take less memory, for messages.</summary>
    string LessMemory { get; }

    /// <summary>About what it holds in memory while it works, in bytes, for a module that <see cref="Check"/> has let pass.</summary>
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
/// <param name="Norm">‖ΔW‖_F of the combined update before it was cut to its rank; null where no such thing was formed.</param>
/// <param name="Lost">That of what the cut took of it: √Σσ² of the tail.</param>
internal sealed record StackedUpdate(LowRankDelta Delta, double? Norm, double Lost)
{
    /// <summary>‖ΔW − result‖_F / ‖ΔW‖_F; 0 for a module of zeros.</summary>
    public double? RelativeError => Norm is not { } norm ? null : norm > 0 ? Lost / norm : 0;
}

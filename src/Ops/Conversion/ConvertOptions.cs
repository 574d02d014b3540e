using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// What to convert, and into what. At most one of <see cref="Rank"/>, <see cref="Energy"/> and <see cref="MaxError"/> is set; updates that have no
/// exact low-rank form need one.
/// </summary>
public sealed record ConvertOptions
{
    /// <summary>The adapter: its weight is not looked at.</summary>
    public required AdapterInput Adapter { get; init; }

    /// <summary>Where and how the result is written. Computed factors are stored as they are computed where that is exact, else in F32 (F64 of F64).</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>The layout that is written, by name.</summary>
    public string Layout { get; init; } = "peft";

    /// <summary>The architecture whose modules they are (<c>flux1</c>), where the file does not tell; null lets names, shapes and metadata tell.</summary>
    public string? Architecture { get; init; }

    /// <summary>
    /// The base model, where it is needed: for kinds whose update depends on its weights, for names that a layout has flattened, for biases and norms that
    /// become full values. Null where it is not at hand.
    /// </summary>
    public string? Base { get; init; }

    /// <summary>The most that an update's rank may be.</summary>
    public int? Rank { get; init; }

    /// <summary>The lowest rank that keeps this fraction of ‖ΔW‖²_F, module by module.</summary>
    public double? Energy { get; init; }

    /// <summary>The lowest rank with ‖ΔW − s·B·A‖_F at most this fraction of ‖ΔW‖_F, module by module.</summary>
    public double? MaxError { get; init; }

    /// <summary>What the random sketches are made from.</summary>
    public ulong Seed { get; init; }

    /// <summary>The cap for buffers, in bytes; one module is always in work.</summary>
    public long MemoryBytes { get; init; } = 256_000_000;

    /// <summary>How many threads compute; 0 takes one per processor. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>How an update without exact factors is decomposed.</summary>
    internal RandomizedSvdOptions Sketching => new() { Rank = Rank, Energy = Energy, MaxError = MaxError, Seed = Seed, Threads = Threads };
}

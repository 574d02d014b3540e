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

    /// <summary>Where and how the result is written. An element type that is named is that of all factors; <c>exact</c> and <c>keep</c> leave those that were not computed as they are.</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>The layout that is written, by name.</summary>
    public string Layout { get; init; } = "peft";

    /// <summary>The layout it is read by, by name; null detects it.</summary>
    public string? From { get; init; }

    /// <summary>The architecture whose modules they are (<c>flux1</c>), where the file does not tell; null lets names, shapes and metadata tell.</summary>
    public string? Architecture { get; init; }

    /// <summary>
    /// The base model, where it is needed: for kinds whose update depends on its weights, for names that a layout has flattened, for biases and norms that
    /// become full values. Null where it is not at hand.
    /// </summary>
    public string? Base { get; init; }

    /// <summary>What the header's metadata says besides, or instead: not hashes, ranks and alphas, which are made of what is written.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// A JSON file of modules' names and new ones, in the spelling of the layout that is written: <c>#</c> stands for any number, and for the same one in the new name. Null changes none.
    /// </summary>
    public string? Rename { get; init; }

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

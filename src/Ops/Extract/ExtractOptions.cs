using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Extract;

/// <summary>Which changed parameters the adapter carries as they are in the tuned model, instead of as an update.</summary>
[Flags]
public enum FullParameters : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Weights and biases of normalisation layers.</summary>
    Norms = 1,

    /// <summary>Biases of linear layers and convolutions.</summary>
    Biases = 2,

    /// <summary>Embeddings and output heads, which else are low-rank updates; their vocabulary may then have grown.</summary>
    Embeddings = 4,
}

/// <summary>What to extract, and how closely. Exactly one of <see cref="Rank"/>, <see cref="Energy"/> and <see cref="MaxError"/> is set.</summary>
public sealed record ExtractOptions
{
    /// <summary>The model that the tuned one came from: a safetensors file, or a folder.</summary>
    public required string Base { get; init; }

    /// <summary>The tuned model, with the same tensor names.</summary>
    public required string Tuned { get; init; }

    /// <summary>Where the adapter goes.</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>The rank of every module; lower where a module has fewer singular values.</summary>
    public int? Rank { get; init; }

    /// <summary>The lowest rank that keeps this fraction of ‖ΔW‖²_F, module by module.</summary>
    public double? Energy { get; init; }

    /// <summary>The lowest rank with ‖ΔW − B·A‖_F at most this fraction of ‖ΔW‖_F, module by module.</summary>
    public double? MaxError { get; init; }

    /// <summary>Only tensors whose name this regular expression (.NET's, without what needs backtracking) finds; null takes all.</summary>
    public string? Include { get; init; }

    /// <summary>No tensors whose name this one finds.</summary>
    public string? Exclude { get; init; }

    /// <summary>What is carried in full. Whatever else has no low-rank form is left out, with a warning.</summary>
    public FullParameters Full { get; init; } = FullParameters.Norms | FullParameters.Biases;

    /// <summary>The layout that is written; <c>peft</c> so far.</summary>
    public string Layout { get; init; } = "peft";

    /// <summary>What the adapter calls its base; null takes <c>_name_or_path</c> of the base's config.json, else the name of its folder or file.</summary>
    public string? BaseModel { get; init; }

    /// <summary>What the random sketches are made from.</summary>
    public ulong Seed { get; init; }

    /// <summary>The cap for buffers, in bytes; one module is always in work.</summary>
    public long MemoryBytes { get; init; } = 256_000_000;

    /// <summary>How many threads compute; 0 takes one per processor. The result does not depend on it.</summary>
    public int Threads { get; init; }
}

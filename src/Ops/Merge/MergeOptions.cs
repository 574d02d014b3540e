using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>What to merge, and how.</summary>
public sealed record MergeOptions
{
    /// <summary>The base model: a safetensors or GGUF file, or a folder.</summary>
    public required string Base { get; init; }

    /// <summary>One or more adapters; all are added in one pass.</summary>
    public required IReadOnlyList<AdapterInput> Adapters { get; init; }

    /// <summary>Where the merged model goes: a folder, or a file where the base is a file and the name ends in <c>.safetensors</c>; of a GGUF base a file whose name ends in <c>.gguf</c>.</summary>
    public required string Output { get; init; }

    /// <summary>The element type of floating-point tensors in the output; null keeps each tensor's own.</summary>
    /// <remarks>F32, F16 or BF16. Integer and 8-bit tensors keep theirs.</remarks>
    public DType? OutputType { get; init; }

    /// <summary>Splits the output into shards of at most so many bytes of tensors; null keeps the base's files.</summary>
    public long? MaxShardBytes { get; init; }

    /// <summary>
    /// A file beside the output that tells how to take the merge back to the bit; null writes none. It appears with the output, or neither does.
    /// </summary>
    public string? UndoRecord { get; init; }

    /// <summary>Merges what matches and reports the rest, instead of stopping.</summary>
    public bool AllowUnmatched { get; init; }

    /// <summary>
    /// Whether tensors of a GGUF base that are stored as Q8_0 may be changed: they are read exactly, added to, and rounded to blocks again. Without it they are refused.
    /// </summary>
    public bool Requantise { get; init; }

    /// <summary>Replaces an existing output; an input is never replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Flushes the output to the disk before its final name appears.</summary>
    public bool Flush { get; init; } = true;

    /// <summary>The cap for tile buffers, in bytes.</summary>
    public long MemoryBytes { get; init; } = 256_000_000;

    /// <summary>How many threads compute; 0 takes one per processor.</summary>
    public int Threads { get; init; }

    /// <summary>For tests: cuts tiles to so many bytes, so that small tensors span several.</summary>
    internal int? TileBytes { get; init; }

    /// <summary>For tests: cuts the record's blocks to so many elements.</summary>
    internal int UndoBlockElements { get; init; } = Undo.BlockCut.PreferredElements;
}

namespace LoraKit.Ops.Unmerge;

/// <summary>What to take out of a merged model, and how. Exactly one of a record, adapters alone, and a base says how.</summary>
public sealed record UnmergeOptions
{
    /// <summary>The merged model: a safetensors file, or a folder.</summary>
    public required string Merged { get; init; }

    /// <summary>Where the base goes: a folder, or a file where the base is a file and the name ends in <c>.safetensors</c>.</summary>
    public required string Output { get; init; }

    /// <summary>The record that <c>merge --undo</c> wrote; restores every bit.</summary>
    public string? UndoRecord { get; init; }

    /// <summary>The base; it is compared with the merged model and copied.</summary>
    public string? Base { get; init; }

    /// <summary>
    /// With a record: where its adapters are now, if not where they were (found by their hashes; the record knows the weights).
    /// With a base: what was merged, to be checked. Alone: what is subtracted.
    /// </summary>
    public IReadOnlyList<AdapterInput> Adapters { get; init; } = [];

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
}

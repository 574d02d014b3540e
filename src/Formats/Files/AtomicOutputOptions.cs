namespace LoraKit.Formats.Files;

/// <summary>How an output comes to be.</summary>
public sealed record AtomicOutputOptions
{
    /// <summary>Replace an existing output of the same kind. An input is never replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Flush files and folders to the disk before the final name appears, so that the output survives a crash of the machine.</summary>
    public bool Flush { get; init; } = true;

    /// <summary>Files and folders that are read: the output may be none of them, lie in none of them, and contain none of them.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>
    /// The relative paths that the output will have, where they are known beforehand: a folder that holds anything else than these and
    /// a model's own files is then refused at once, instead of at the commit. Null where they are not known.
    /// </summary>
    public IReadOnlyCollection<string>? PlannedFiles { get; init; }
}

namespace LoraKit.Formats.Layouts;

/// <summary>How an adapter is put on the disk.</summary>
public sealed record AdapterSaveOptions
{
    /// <summary>Replaces an existing output; an input is never replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Flushes the output to the disk before its final name appears.</summary>
    public bool Flush { get; init; } = true;

    /// <summary>Files and folders that are read: the output may neither be nor touch them.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];
}

namespace LoraKit.Formats.Checkpoints;

/// <summary>One model of a checkpoint: the checkpoint itself, or a folder of a pipeline (<c>unet</c>, <c>text_encoder</c>), whose tensors are called <c>unet.…</c>.</summary>
/// <param name="Name">The folder's name; empty where the checkpoint is one model.</param>
internal sealed record CheckpointComponent(string Name)
{
    /// <summary>What the names of its tensors begin with; its files do not have it.</summary>
    public string Prefix => Name.Length == 0 ? "" : Name + ".";

    /// <summary>What the paths of its files begin with.</summary>
    public string Folder => Name.Length == 0 ? "" : Name + "/";

    /// <summary>Its index file's path; null where it has one tensor file and no index.</summary>
    public string? IndexFile { get; init; }

    /// <summary>The index's <c>metadata</c> object as JSON text; null where there is none.</summary>
    public string? IndexMetadata { get; init; }

    /// <summary>Its config.json; null where there is none.</summary>
    public ModelConfig? Config { get; init; }
}

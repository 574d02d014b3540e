namespace LoraKit.Formats.Checkpoints;

/// <summary>One file of a checkpoint.</summary>
/// <param name="RelativePath">Its place in the folder, with <c>/</c>; the file's own name where a single file was opened.</param>
/// <param name="File">The open file.</param>
public sealed record CheckpointShard(string RelativePath, ICheckpointFile File);

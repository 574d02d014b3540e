using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Checkpoints;

/// <summary>One file of a checkpoint.</summary>
/// <param name="RelativePath">Its place in the folder, with <c>/</c>; the file's own name where a single file was opened.</param>
/// <param name="File">The open file.</param>
public sealed record CheckpointShard(string RelativePath, ICheckpointFile File)
{
    /// <summary>What the checkpoint's names of its tensors have before the file's: <c>unet.</c> in a pipeline.</summary>
    internal string Prefix { get; init; } = "";

    /// <summary>Its tensors by the checkpoint's names, in the order of their bytes.</summary>
    internal IEnumerable<StoredTensor> Tensors =>
        File.Tensors.Select(tensor => new StoredTensor(File, Prefix.Length == 0 ? tensor : tensor with { Name = Prefix + tensor.Name }));
}

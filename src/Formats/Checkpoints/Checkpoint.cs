using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Checkpoints;

/// <summary>
/// A base model on disk: one safetensors file, or a folder with one, or shards with their index. Index and shard headers agree or
/// opening fails.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    /// <summary>Opens a file or a folder.</summary>
    /// <exception cref="InputNotFoundException">There is no such path, or no model in it.</exception>
    /// <exception cref="InvalidFileException">A shard is missing, foreign or broken, or the index disagrees with it.</exception>
    /// <exception cref="UnsupportedException">The folder holds weights only in a format that is not read.</exception>
    public static Checkpoint Open(string path) => throw new NotImplementedException();

    /// <summary>What was opened, as it was named.</summary>
    public string Path => throw new NotImplementedException();

    /// <summary>The folder that the model's files lie in; null where a single file was named.</summary>
    public string? Folder => throw new NotImplementedException();

    /// <summary>The files with the tensors, in the order of their names.</summary>
    public IReadOnlyList<CheckpointShard> Shards => throw new NotImplementedException();

    /// <summary>The index file's relative path (<c>model.safetensors.index.json</c>); null where there is one file and no index.</summary>
    public string? IndexFile => throw new NotImplementedException();

    /// <summary>The index's <c>metadata</c> object as JSON text; null where there is none.</summary>
    public string? IndexMetadata => throw new NotImplementedException();

    /// <summary>Every tensor by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => throw new NotImplementedException();

    /// <summary>The model's config.json, parsed leniently; null where there is none or a single file was named.</summary>
    public ModelConfig? Config => throw new NotImplementedException();

    /// <summary>
    /// The other files of the folder that belong to the model (configuration, tokenizer, …), as relative paths with <c>/</c>, sorted:
    /// no weights in any format, no index, no adapter's files, nothing hidden.
    /// </summary>
    public IReadOnlyList<string> OtherFiles => throw new NotImplementedException();

    /// <summary>Files that are left out on purpose (weights in other formats, adapter files), for the plan.</summary>
    public IReadOnlyList<string> LeftOutFiles => throw new NotImplementedException();

    /// <summary>What is odd but harmless about it, one line each.</summary>
    public IReadOnlyList<string> Warnings => throw new NotImplementedException();

    /// <summary>Closes all files.</summary>
    public void Dispose() => throw new NotImplementedException();
}

/// <summary>One file of a checkpoint.</summary>
/// <param name="RelativePath">Its place in the folder, with <c>/</c>; the file's own name where a single file was opened.</param>
/// <param name="File">The open file.</param>
public sealed record CheckpointShard(string RelativePath, SafetensorsFile File);

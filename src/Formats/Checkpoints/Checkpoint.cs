using System.Globalization;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Checkpoints;

/// <summary>
/// A base model on disk: one safetensors or GGUF file, or a folder with a safetensors file, or shards with their index, or a diffusers folder with such models
/// in its folders, whose names then stand before those of their tensors. Index and shard headers agree or opening fails. See spec/containers/checkpoints.md.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly ShardSet _files;
    private IReadOnlyDictionary<string, StoredTensor>? _replicas;

    private Checkpoint(string path, ShardSet files)
    {
        Path = path;
        _files = files;
    }

    /// <summary>Opens a file or a folder; an index file stands for its folder.</summary>
    /// <param name="path">A safetensors or GGUF file, a folder (a diffusers folder with its <c>model_index.json</c> too), or a <c>*.safetensors.index.json</c>.</param>
    /// <exception cref="InputNotFoundException">There is no such path, or no model in it.</exception>
    /// <exception cref="InvalidFileException">A shard is missing, foreign or broken, or the index disagrees with it.</exception>
    /// <exception cref="UnsupportedException">The folder holds weights only in a format that is not read; the GGUF file is an adapter, or a part of a model.</exception>
    public static Checkpoint Open(string path)
    {
        if (Directory.Exists(path))
        {
            return PipelineFolder.Find(path) is { } pipeline ? Open(path, path, pipeline.Models, pipeline.Unread) : OpenFolder(path, CheckpointFiles.Find(path));
        }

        if (FileNatures.Of(path) == FileNature.Missing && (path.Length == 0 || new FileInfo(path).LinkTarget is null))
        {
            throw new InputNotFoundException($"{Printable.Text(path)}: does not exist; expected a model's folder or safetensors file", path);
        }

        if (!path.EndsWith(ShardIndex.Suffix, StringComparison.Ordinal)) return new(path, ShardSet.OpenSingle(path));
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        return OpenFolder(path, new(folder, System.IO.Path.GetFileName(path), null, null));
    }

    /// <summary>What was opened, as it was named.</summary>
    public string Path { get; }

    /// <summary>The folder that the model's files lie in; null where a single file was named.</summary>
    public string? Folder { get; private init; }

    /// <summary>The files with the tensors, in the order of their names.</summary>
    public IReadOnlyList<CheckpointShard> Shards => _files.Shards;

    /// <summary>The models that it is made of: one without a name, or those of a pipeline.</summary>
    internal IReadOnlyList<CheckpointComponent> Components { get; private init; } = [new("")];

    /// <summary>The index file's relative path (<c>model.safetensors.index.json</c>); null where there is one file and no index, and for a pipeline.</summary>
    public string? IndexFile { get; private init; }

    /// <summary>The index's <c>metadata</c> object as JSON text; null where there is none.</summary>
    public string? IndexMetadata { get; private init; }

    /// <summary>Every tensor by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _replicas ?? _files.Tensors;

    /// <summary>Which layers the names in <see cref="Tensors"/> count; null where they are the files' own.</summary>
    internal LayerReplication? Layers { get; private init; }

    /// <summary>The model's config.json, parsed leniently; null where there is none, for a pipeline, or where a single file was named.</summary>
    public ModelConfig? Config { get; private init; }

    /// <summary>The GGUF file that it is; null for others. Its tensors have GGUF's names.</summary>
    internal GgufModelFile? Gguf => _files.Shards is [{ File: GgufModelFile file }] ? file : null;

    /// <summary>What it says of itself, for layouts whose names and orders of rows depend on it; null where it says nothing.</summary>
    internal BaseFacts? Facts => Gguf?.Facts ?? (Config is { } config ? BaseFacts.Of(config) : null);

    /// <summary>
    /// The other files of the folder that belong to the model (configuration, tokenizer, …), as relative paths with <c>/</c>, sorted:
    /// no weights in any format, no index, no adapter's files, nothing hidden.
    /// </summary>
    public IReadOnlyList<string> OtherFiles { get; private init; } = [];

    /// <summary>Files that are left out on purpose (weights in other formats, adapter files), for the plan.</summary>
    public IReadOnlyList<string> LeftOutFiles { get; private init; } = [];

    /// <summary>What is odd but stops nothing, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; private init; } = [];

    /// <summary>The same files as a model with other layers: one of the two is to be disposed.</summary>
    internal Checkpoint Replicated(LayerReplication layers) => new(Path, _files)
    {
        Folder = Folder,
        Components = Components,
        IndexFile = IndexFile,
        IndexMetadata = IndexMetadata,
        Config = Config,
        OtherFiles = OtherFiles,
        LeftOutFiles = LeftOutFiles,
        Warnings = Warnings,
        Layers = layers,
        _replicas = Tensors.SelectMany(t => layers.NamesOf(t.Key), (t, name) => (name, t.Value)).ToDictionary(t => t.name, t => t.Value, StringComparer.Ordinal),
    };

    /// <summary>Closes all files.</summary>
    public void Dispose() => _files.Dispose();

    private static Checkpoint OpenFolder(string path, CheckpointFiles found) => Open(path, found.Folder, [("", found)], []);

    private static Checkpoint Open(string path, string folder, IReadOnlyList<(string Name, CheckpointFiles Files)> models, IReadOnlyList<string> kept)
    {
        List<(CheckpointComponent Component, ShardSet Files)> opened = [];
        List<string> oddities = [];
        HashSet<string> read = [];
        try
        {
            foreach ((string name, CheckpointFiles found) in models)
            {
                ShardIndex? index = found.IndexFile is null ? null : ReadIndex(found);
                ShardSet files = index is null
                    ? ShardSet.OpenSingle(System.IO.Path.Combine(found.Folder, found.SingleFile!))
                    : ShardSet.Open(found.Folder, index, System.IO.Path.Combine(found.Folder, found.IndexFile!));
                string config = System.IO.Path.Combine(found.Folder, "config.json");
                CheckpointComponent component = new(name);
                opened.Add((component, files)); // To be closed, whatever comes.
                opened[^1] = (component with
                {
                    IndexFile = found.IndexFile is null ? null : component.Folder + found.IndexFile,
                    IndexMetadata = index?.Metadata,
                    Config = FileNatures.Of(config) == FileNature.File ? ModelConfig.Read(config) : null,
                }, files);
                HashSet<string> own = [.. files.Shards.Select(s => s.RelativePath)];
                if (found.IndexFile is not null) own.Add(found.IndexFile);
                oddities.AddRange(Oddities(found, index, files, own).Select(line => name.Length == 0 ? line : $"{name}: {line}"));
                read.UnionWith(own.Select(file => component.Folder + file));
            }

            ModelFolder others = ModelFolder.Scan(folder, read, kept);
            CheckpointComponent? whole = opened is [({ Name: "" } only, _)] ? only : null;
            return new(path, whole is null ? ShardSet.Join(opened) : opened[0].Files)
            {
                Folder = folder,
                Components = [.. opened.Select(o => o.Component)],
                IndexFile = whole?.IndexFile,
                IndexMetadata = whole?.IndexMetadata,
                Config = whole?.Config,
                OtherFiles = others.Companions,
                LeftOutFiles = others.LeftOut,
                Warnings = [.. oddities, .. kept.Select(Kept), .. others.Unreadable.Select(Unreadable)],
            };
        }
        catch
        {
            opened.ForEach(o => o.Files.Dispose());
            throw;
        }
    }

    private static ShardIndex ReadIndex(CheckpointFiles found)
    {
        string path = System.IO.Path.Combine(found.Folder, found.IndexFile!);
        ShardIndex index = ShardIndex.Read(path);
        return found.Rival is not null && ShardSet.Missing(found.Folder, index.Shards).Count > 0
            ? throw new InvalidFileException(
                $"{Printable.Text(found.Folder)}: {Printable.Text(found.IndexFile!)} names shards that are missing, and {Printable.Text(found.Rival)} is there too: "
                + "it is not clear which is the model; remove one of the two, or name the file itself", path)
            : index;
    }

    private static string Kept(string name) => $"{Printable.Text(name)} has weights only in a format that is not read: its files go along as they are";

    private static string Unreadable(string name) =>
        $"{Printable.Text(name)} is a link that leads nowhere, a pipe or a device, and is left out; restore it if the model needs it";

    private static IEnumerable<string> Oddities(CheckpointFiles found, ShardIndex? index, ShardSet files, HashSet<string> read)
    {
        if (found.Rival is { } rival && !read.Contains(rival))
        {
            yield return $"{Printable.Text(rival)} lies beside {Printable.Text(found.IndexFile!)} and is not read: the index and its shards are the model";
        }

        long bytes = files.Tensors.Values.Sum(t => t.Info.ByteLength);
        if (index?.TotalSize is { } said && said != bytes)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture, $"{Printable.Text(found.IndexFile!)}: total_size is {said}, but the tensors have {bytes} bytes");
        }
    }
}

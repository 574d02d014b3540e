using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Checkpoints;

/// <summary>The open files of a checkpoint and every tensor in them; index and headers agree.</summary>
internal sealed class ShardSet : IDisposable
{
    private const int MostNamed = 3;

    private readonly List<CheckpointShard> _shards = [];
    private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);

    private ShardSet()
    {
    }

    /// <summary>The files, in the order of their names.</summary>
    public IReadOnlyList<CheckpointShard> Shards => _shards;

    /// <summary>Every tensor by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _tensors;

    /// <summary>Opens the one file of a model.</summary>
    /// <exception cref="LoraKitException">It is not there or not valid.</exception>
    public static ShardSet OpenSingle(string path)
    {
        ShardSet set = new();
        ICheckpointFile file = BaseFacts.IsGguf(path) ? GgufModelFile.Open(path) : SafetensorsFile.Open(path);
        set._shards.Add(new(Path.GetFileName(path), file));
        foreach (TensorInfo tensor in file.Tensors)
        {
            set._tensors.Add(tensor.Name, new(file, tensor));
        }

        return set;
    }

    /// <summary>Opens every shard that an index names, and checks both against each other.</summary>
    /// <exception cref="InvalidFileException">A shard is missing or broken, or its header and the index disagree.</exception>
    public static ShardSet Open(string folder, ShardIndex index, string indexPath)
    {
        IReadOnlyList<string> names = index.Shards;
        CheckPresent(folder, names, indexPath);
        ShardSet set = new();
        try
        {
            foreach (string name in names)
            {
                set.Add(folder, name, index, indexPath);
            }

            set.CheckComplete(index, indexPath);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>The files of several models as one set: names and paths begin with what each has before them.</summary>
    public static ShardSet Join(IEnumerable<(CheckpointComponent Component, ShardSet Files)> models)
    {
        ShardSet set = new();
        foreach ((CheckpointComponent component, ShardSet files) in models)
        {
            foreach (CheckpointShard shard in files._shards.Select(shard => new CheckpointShard(component.Folder + shard.RelativePath, shard.File) { Prefix = component.Prefix }))
            {
                set._shards.Add(shard);
                foreach (StoredTensor tensor in shard.Tensors) set._tensors.Add(tensor.Name, tensor);
            }
        }

        return set;
    }

    /// <summary>The shards of an index that are not there.</summary>
    public static IReadOnlyList<string> Missing(string folder, IReadOnlyList<string> names) =>
        [.. names.Where(n => FileNatures.Of(Path.Combine(folder, n)) == FileNature.Missing)];

    public void Dispose()
    {
        foreach (CheckpointShard shard in _shards)
        {
            shard.File.Dispose();
        }
    }

    private static void CheckPresent(string folder, IReadOnlyList<string> names, string indexPath)
    {
        IReadOnlyList<string> missing = Missing(folder, names);
        if (missing.Count == 0) return;
        string shown = string.Join(", ", missing.Take(MostNamed).Select(n => Printable.Text(n)));
        string more = missing.Count > MostNamed ? $" and {missing.Count - MostNamed} more" : string.Empty;
        string link = new FileInfo(Path.Combine(folder, missing[0])).LinkTarget is { } target ? $" (a link to {Printable.Text(target)}, which is not there)" : string.Empty;
        throw new InvalidFileException(
            $"{Printable.Text(indexPath)}: {missing.Count} of its {names.Count} shards {(missing.Count == 1 ? "is" : "are")} missing: {shown}{link}{more}; fetch the rest of the model",
            Path.Combine(folder, missing[0]));
    }

    private void Add(string folder, string name, ShardIndex index, string indexPath)
    {
        SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, name));
        _shards.Add(new(name, file));
        foreach (TensorInfo tensor in file.Tensors)
        {
            string shown = Printable.Text(tensor.Name);
            if (_tensors.TryGetValue(tensor.Name, out StoredTensor? first))
            {
                throw new InvalidFileException(
                    $"{Printable.Text(file.Path)}: tensor '{shown}' is in {Printable.Text(Path.GetFileName(first.Source.Path))} too; expected in one shard only",
                    file.Path, tensor.Name);
            }

            if (!index.WeightMap.TryGetValue(tensor.Name, out string? owner))
            {
                throw new InvalidFileException(
                    $"{Printable.Text(file.Path)}: holds tensor '{shown}', which {Printable.Text(Path.GetFileName(indexPath))} does not name; the two are not of one model",
                    file.Path, tensor.Name);
            }

            if (owner != name)
            {
                throw new InvalidFileException(
                    $"{Printable.Text(file.Path)}: holds tensor '{shown}', which {Printable.Text(Path.GetFileName(indexPath))} says is in {Printable.Text(owner)}",
                    file.Path, tensor.Name);
            }

            _tensors.Add(tensor.Name, new(file, tensor));
        }
    }

    private void CheckComplete(ShardIndex index, string indexPath)
    {
        if (_tensors.Count == index.WeightMap.Count) return;
        (string tensor, string shard) = index.WeightMap.First(entry => !_tensors.ContainsKey(entry.Key));
        string path = _shards.First(s => s.RelativePath == shard).File.Path;
        throw new InvalidFileException(
            $"{Printable.Text(path)}: lacks tensor '{Printable.Text(tensor)}', which {Printable.Text(Path.GetFileName(indexPath))} says is in it", path, tensor);
    }
}

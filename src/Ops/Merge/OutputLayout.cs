using LoraKit.Formats;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>One tensor of the output: where its values come from and where they go.</summary>
/// <param name="Target">Name, type, shape and place in the output file.</param>
/// <param name="Source">The base's tensor; null for one that only the output has.</param>
/// <param name="Edit">What changes; null for a copy or a cast.</param>
internal sealed record OutputTensor(TensorInfo Target, StoredTensor? Source, TensorEdit? Edit)
{
    /// <summary>Whether its values change, and are stored in blocks.</summary>
    public bool IsRequantised => Edit is not null && Target.Blocks is not null;

    public TensorAction Action => Edit is not null ? TensorAction.Change : Source!.DType != Target.DType ? TensorAction.Cast : TensorAction.Copy;
}

/// <summary>One tensor file of the output.</summary>
/// <param name="RelativePath">Its place in the output.</param>
/// <param name="Header">Its bytes before the data.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Tensors">Its tensors in the order of their bytes.</param>
internal sealed record OutputShard(string RelativePath, byte[] Header, long Length, IReadOnlyList<OutputTensor> Tensors);

/// <summary>
/// Every offset of the output, known before a byte is written. A file whose tensors keep names, types and shapes keeps its header
/// byte for byte; any other gets a canonical one.
/// </summary>
internal static class OutputLayout
{
    private const string Gguf = ".gguf";

    public static IReadOnlyList<OutputShard> Create(
        Checkpoint @base, IReadOnlyDictionary<string, TensorEdit> edits, string namePrefix, DType? outputType, long? maxShardBytes, string? singleFileName)
    {
        // A tensor that only the output has goes to the last file of its model.
        ILookup<CheckpointComponent, TensorEdit> added = edits.Values.Where(e => e.Base is null).OrderBy(e => e.Name, StringComparer.Ordinal)
            .ToLookup(e => @base.Components.First(c => e.Name.StartsWith(c.Prefix, StringComparison.Ordinal)));
        return [.. @base.Components.SelectMany(Files)];

        IEnumerable<OutputShard> Files(CheckpointComponent component)
        {
            CheckpointShard[] originals = [.. @base.Shards.Where(shard => shard.Prefix == component.Prefix)];
            List<OutputTensor>[] perFile = [.. originals.Select(shard => shard.Tensors
                .SelectMany(t => @base.Layers?.NamesOf(t.Name) ?? [t.Name], (t, name) => Planned(t, name, edits.GetValueOrDefault(name), namePrefix, outputType)).ToList())];
            perFile[^1].AddRange(added[component].Select(edit => new OutputTensor(Info(edit.Name, OutputType(edit.BaseType, outputType), edit.Shape), null, edit)));
            return maxShardBytes is { } limit ? Resharded(@base, component, [.. perFile.SelectMany(t => t)], limit, singleFileName)
                : perFile.Zip(originals, (tensors, original) => Shard(singleFileName ?? original.RelativePath, tensors, original));
        }
    }

    /// <summary>Whether an output is one file and no folder: its name says so.</summary>
    /// <param name="output">The output's path.</param>
    /// <param name="model">A model with the names and containers of the one that is written.</param>
    /// <param name="files">How many tensor files the model has that is written.</param>
    /// <exception cref="InvalidOptionException">Its name says so, but the model has several files; or it says another container than the model's.</exception>
    public static bool IsSingleFile(string output, Checkpoint model, int files)
    {
        bool isGguf = output.EndsWith(Gguf, StringComparison.OrdinalIgnoreCase);
        if (isGguf != model.Gguf is not null)
        {
            throw new InvalidOptionException(isGguf
                ? $"the output {output} is a GGUF file by its name, but {model.Path} is none; name a folder or a .safetensors file as output"
                : $"{model.Path} is a GGUF file, and so is what is made of it; name a {Gguf} file as output");
        }

        if (isGguf) return true;
        if (!output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) return false;
        return files == 1
            ? true
            : throw new InvalidOptionException($"the base has {files} files, but the output {output} is one; name a folder as output");
    }

    private static OutputTensor Planned(StoredTensor source, string name, TensorEdit? edit, string namePrefix, DType? outputType) =>
        new(Info(namePrefix + name, OutputType(source.DType, outputType), edit?.Shape ?? source.Shape) with { Blocks = source.Info.Blocks }, source, edit);

    private static TensorInfo Info(string name, DType dtype, TensorShape shape) => new(name, dtype, shape, 0, 0);

    private static DType OutputType(DType own, DType? wanted) =>
        wanted is { } dtype && own is DType.F16 or DType.BF16 or DType.F32 or DType.F64 ? wanted.Value : own;

    private static OutputShard Shard(string path, List<OutputTensor> tensors, CheckpointShard original)
    {
        ICheckpointFile file = original.File;
        bool unchanged = tensors.Count == file.Tensors.Count
            && tensors.All(t => t.Source is { } s && s.Name == t.Target.Name && s.DType == t.Target.DType && s.Shape == t.Target.Shape);
        if (unchanged)
        {
            byte[] header = new byte[file.HeaderLength];
            file.ReadHeader(header);
            return new(path, header, file.FileLength, [.. tensors.Select(t => t with { Target = t.Source!.Info })]);
        }

        if (file is GgufModelFile) throw new UnsupportedException($"{Printable.Text(file.Path)}: a GGUF file keeps its tensors, their types and shapes", file.Path);
        return Canonical(path, original.Prefix, tensors, file.Metadata.Count > 0 ? file.Metadata : null);
    }

    private static OutputShard Canonical(string path, string prefix, IReadOnlyCollection<OutputTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        SafetensorsHeader header = SafetensorsHeader.Plan(tensors.Select(t => (t.Target.Name[prefix.Length..], t.Target.DType, t.Target.Shape)), metadata);
        Dictionary<string, OutputTensor> byName = tensors.ToDictionary(t => t.Target.Name, StringComparer.Ordinal);
        return new(path, header.ToBytes(), header.FileLength, [.. header.Tensors.Select(t => byName[prefix + t.Name] with { Target = t with { Name = prefix + t.Name } })]);
    }

    /// <summary>Fills shards in order, as huggingface_hub does: the next tensor opens a new one where it no longer fits.</summary>
    private static List<OutputShard> Resharded(Checkpoint @base, CheckpointComponent component, List<OutputTensor> tensors, long limit, string? singleFileName)
    {
        List<List<OutputTensor>> shards = [[]];
        long bytes = 0;
        foreach (OutputTensor tensor in tensors)
        {
            long length = checked(tensor.Target.Shape.ElementCount * tensor.Target.DType.Bits() / 8);
            if (shards[^1].Count > 0 && bytes + length > limit)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += length;
        }

        if (singleFileName is not null && shards.Count > 1)
        {
            throw new InvalidOptionException(
                $"the output is one file ({singleFileName}), but shards of at most {limit} bytes make {shards.Count} files; name a folder as output");
        }

        IReadOnlyDictionary<string, string>? metadata = First(@base, component).File.Metadata is { Count: > 0 } m ? m : null;
        string stem = Stem(@base, component);
        return [.. shards.Select((shard, i) => Canonical(
            singleFileName ?? (shards.Count == 1 ? $"{stem}.safetensors" : $"{stem}-{i + 1:D5}-of-{shards.Count:D5}.safetensors"), component.Prefix, shard, metadata))];
    }

    /// <summary><c>model</c> of <c>model.safetensors.index.json</c>, <c>model-00001-of-00002.safetensors</c> or <c>model.safetensors</c>.</summary>
    public static string Stem(Checkpoint @base, CheckpointComponent component) => component.IndexFile is { } index
        ? index[..^".safetensors.index.json".Length]
        : System.IO.Path.ChangeExtension(First(@base, component).RelativePath, null);

    private static CheckpointShard First(Checkpoint @base, CheckpointComponent component) => @base.Shards.First(shard => shard.Prefix == component.Prefix);
}

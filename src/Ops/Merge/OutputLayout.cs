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
        List<OutputTensor>[] perFile = [.. @base.Shards.Select(shard => shard.File.Tensors
            .SelectMany(t => @base.Layers?.NamesOf(t.Name) ?? [t.Name], (t, name) => Planned(new StoredTensor(shard.File, t), name, edits.GetValueOrDefault(name), namePrefix, outputType)).ToList())];
        // A tensor that only the output has goes to the last file.
        foreach (TensorEdit added in edits.Values.Where(e => e.Base is null).OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            perFile[^1].Add(new(Info(added.Name, OutputType(added.BaseType, outputType), added.Shape), null, added));
        }

        if (maxShardBytes is { } limit) return Resharded(@base, [.. perFile.SelectMany(t => t)], limit, singleFileName);
        return [.. perFile.Select((tensors, i) => Shard(singleFileName ?? @base.Shards[i].RelativePath, tensors, @base.Shards[i].File))];
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

    private static OutputShard Shard(string path, List<OutputTensor> tensors, ICheckpointFile original)
    {
        bool unchanged = tensors.Count == original.Tensors.Count
            && tensors.All(t => t.Source is { } s && s.Name == t.Target.Name && s.DType == t.Target.DType && s.Shape == t.Target.Shape);
        if (unchanged)
        {
            byte[] header = new byte[original.HeaderLength];
            original.ReadHeader(header);
            return new(path, header, original.FileLength, [.. tensors.Select(t => t with { Target = t.Source!.Info })]);
        }

        if (original is GgufModelFile) throw new UnsupportedException($"{Printable.Text(original.Path)}: a GGUF file keeps its tensors, their types and shapes", original.Path);
        return Canonical(path, tensors, original.Metadata.Count > 0 ? original.Metadata : null);
    }

    private static OutputShard Canonical(string path, IReadOnlyCollection<OutputTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        SafetensorsHeader header = SafetensorsHeader.Plan(tensors.Select(t => (t.Target.Name, t.Target.DType, t.Target.Shape)), metadata);
        Dictionary<string, OutputTensor> byName = tensors.ToDictionary(t => t.Target.Name, StringComparer.Ordinal);
        return new(path, header.ToBytes(), header.FileLength, [.. header.Tensors.Select(t => byName[t.Name] with { Target = t })]);
    }

    /// <summary>Fills shards in order, as huggingface_hub does: the next tensor opens a new one where it no longer fits.</summary>
    private static List<OutputShard> Resharded(Checkpoint @base, List<OutputTensor> tensors, long limit, string? singleFileName)
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

        IReadOnlyDictionary<string, string>? metadata = @base.Shards[0].File.Metadata is { Count: > 0 } m ? m : null;
        string stem = Stem(@base);
        return [.. shards.Select((shard, i) => Canonical(
            singleFileName ?? (shards.Count == 1 ? $"{stem}.safetensors" : $"{stem}-{i + 1:D5}-of-{shards.Count:D5}.safetensors"), shard, metadata))];
    }

    /// <summary><c>model</c> of <c>model.safetensors.index.json</c>, <c>model-00001-of-00002.safetensors</c> or <c>model.safetensors</c>.</summary>
    public static string Stem(Checkpoint @base) => @base.IndexFile is { } index
        ? index[..^".safetensors.index.json".Length]
        : System.IO.Path.ChangeExtension(@base.Shards[0].RelativePath, null);
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Undo;

/// <summary>
/// Writes down, while a merge runs, how to take it back to the bit. The bytes of the record depend on what is merged alone: workers may
/// finish in any order, blocks are cut the same way and stored in order. See spec/undo.md.
/// </summary>
internal sealed class UndoRecorder(string path, Checkpoint @base, IReadOnlyList<Adapter> adapters, IReadOnlyList<AdapterInput> inputs, int blockElements) : IDisposable
{
    private readonly UndoSpill _spill = new(path);
    private readonly List<RecordedTensor> _tensors = [];
    private readonly Dictionary<AdapterDelta, UndoUpdate> _updates = Number(adapters);

    /// <summary>A tensor that is going to change.</summary>
    /// <param name="original">The base's.</param>
    /// <param name="merged">What becomes of it.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="deltas">Its updates.</param>
    /// <param name="inDoubles">Whether they are summed in F64.</param>
    public RecordedTensor Add(StoredTensor original, TensorInfo merged, int columns, IReadOnlyList<WeightedDelta> deltas, bool inDoubles)
    {
        long rows = columns == 0 ? 0 : original.Shape.ElementCount / columns;
        BlockCut cut = new(columns, BlockCut.RowsFor(blockElements, columns), original.DType, rows, merged.DType, columns == 0 ? 0 : merged.Shape.ElementCount / columns);
        IReadOnlyList<WeightedDelta> subtracted = deltas.All(d => Prediction.Subtracts(d.Delta)) ? deltas : [];
        UndoUpdate[] updates = [.. subtracted.Select(d => Describe(d))];
        RecordedTensor tensor = new(original, cut, new(original.Name, merged.Shape, cut, subtracted, inDoubles), updates, inDoubles, _spill);
        _tensors.Add(tensor);
        return tensor;
    }

    /// <summary>Writes the record, when every tile of every tensor is there.</summary>
    /// <param name="output">Where to; the caller commits it.</param>
    /// <param name="namePrefix">What the merged model puts before names.</param>
    /// <param name="smallFiles">The merged model's other files.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    public UndoReport Write(AtomicOutput output, string namePrefix, IReadOnlyList<SmallFile> smallFiles, CancellationToken cancellation)
    {
        List<TensorToWrite> tensors = [.. _tensors.Select(t => t.Codes())];
        UndoManifest manifest = new()
        {
            Version = UndoManifest.CurrentVersion,
            Adapters = [.. inputs.Select(i => Describe(i, cancellation))],
            NamePrefix = namePrefix,
            Files = [.. @base.Shards.Select(s => Describe(s, tensors))],
            OtherFiles = [.. Others(smallFiles, tensors, cancellation)],
            Tensors = [.. _tensors.Select(t => t.Describe())],
        };
        byte[] json = manifest.ToBytes();
        tensors.Add(UndoNames.Bytes(UndoNames.Manifest, json));
        SafetensorsWriter writer = new(tensors, new Dictionary<string, string>
        {
            ["format"] = UndoNames.Format,
            [UndoNames.ManifestHash] = BlockHashes.Text(json),
        });
        writer.WriteTo(output, Path.GetFileName(output.Path), cancellation);
        return new(output.Path, writer.Header.FileLength, _tensors.Sum(t => t.Corrections), _tensors.Sum(t => t.OriginalBytes));
    }

    public void Dispose() => _spill.Dispose();

    /// <summary>How each update is found again: by adapter, target, and its turn among those of one target.</summary>
    private static Dictionary<AdapterDelta, UndoUpdate> Number(IReadOnlyList<Adapter> adapters)
    {
        Dictionary<AdapterDelta, UndoUpdate> updates = new(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < adapters.Count; i++)
        {
            foreach ((AdapterDelta delta, string target, int occurrence) in UpdateNumbers.Of(adapters[i]))
            {
                updates.Add(delta, new(i, target, occurrence, false));
            }
        }

        return updates;
    }

    private UndoUpdate Describe(WeightedDelta update) =>
        _updates[update.PartOf?.Whole ?? update.Delta] with { Transposed = update.Transposed, Region = update.Region, Rows = update.Rows, Heads = update.Heads, Part = update.PartOf?.Part };

    private UndoAdapter Describe(AdapterInput input, CancellationToken cancellation)
    {
        AdapterHashes hashes = AdapterHashes.Of(input.Path, cancellation);
        string folder = RealPath.Of(Path.GetDirectoryName(Path.GetFullPath(path))!);
        string relative = Path.GetRelativePath(folder, Path.GetFullPath(input.Path));
        AdapterReadOptions? reading = input.Reading == AdapterReadOptions.Default ? null : input.Reading;
        return new(relative.Replace(Path.DirectorySeparatorChar, '/'), input.Weight, hashes.Tensors, hashes.Config, reading);
    }

    private static UndoFile Describe(CheckpointShard shard, List<TensorToWrite> tensors)
    {
        byte[] header = new byte[shard.File.HeaderLength];
        shard.File.ReadHeader(header);
        tensors.Add(UndoNames.Bytes(UndoNames.Header(shard.RelativePath), header));
        return new(shard.RelativePath, shard.File.FileLength, BlockHashes.Text(header), shard.Prefix.Length == 0 ? null : shard.Prefix);
    }

    private IEnumerable<UndoOtherFile> Others(IReadOnlyList<SmallFile> smallFiles, List<TensorToWrite> tensors, CancellationToken cancellation)
    {
        if (@base.Folder is null || smallFiles.Count == 0) yield break;
        Dictionary<string, SmallFile> merged = smallFiles.ToDictionary(f => f.RelativePath, StringComparer.Ordinal);
        foreach (string name in @base.OtherFiles.Concat(@base.Components.Select(component => component.IndexFile).OfType<string>()))
        {
            string file = Path.Combine(@base.Folder, name);
            bool stored = !merged.TryGetValue(name, out SmallFile? same) || same.Source is null;
            if (stored) tensors.Add(UndoNames.Bytes(UndoNames.File(name), BoundedFile.ReadAll(file, ShardIndex.MaxBytes)));
            yield return new(name, AdapterHashes.OfFile(file, cancellation), stored);
        }
    }
}

/// <summary>What an undo record came to.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Repaired">Elements of the base that subtracting the updates does not give back, and the record does.</param>
/// <param name="ChangedBytes">The bytes of the changed tensors in the base.</param>
public sealed record UndoReport(string Path, long Bytes, long Repaired, long ChangedBytes);

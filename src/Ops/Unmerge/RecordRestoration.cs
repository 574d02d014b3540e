using LoraKit.Formats;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>The base's own bytes, from the merged model's, the adapters' and a record of what they do not tell. See spec/undo.md.</summary>
internal sealed class RecordRestoration : Restoration
{
    private const int MostBlockElements = 1 << 20; // But for a row that alone has more.

    private readonly Checkpoint _merged;
    private readonly UndoRecord _record;
    private readonly RecordedAdapters _adapters;
    private readonly Dictionary<string, UndoTensor> _changed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (BlockCut Cut, Prediction Prediction, TensorCodes Codes)> _prepared = new(StringComparer.Ordinal);

    public RecordRestoration(UnmergeOptions options, Checkpoint merged)
    {
        _merged = merged;
        _record = UndoRecord.Open(options.UndoRecord!);
        try
        {
            foreach (UndoTensor tensor in _record.Manifest.Tensors)
            {
                if (!_changed.TryAdd(tensor.Name, tensor)) throw UndoRecord.Damaged(_record.Path, "it is there twice", tensor.Name);
            }

            bool toSingleFile = OutputLayout.IsSingleFile(options.Output, merged, _record.Manifest.Files.Count);
            _adapters = RecordedAdapters.Open(_record, options.Adapters);
            OutputShard[] shards = [.. _record.Manifest.Files.Select(f => Shard(f, toSingleFile ? Path.GetFileName(options.Output) : f.Path))];
            foreach (OutputTensor tensor in shards.SelectMany(s => s.Tensors))
            {
                if (_changed.TryGetValue(tensor.Target.Name, out UndoTensor? changed)) Prepare(changed, tensor);
            }

            if (_changed.Keys.FirstOrDefault(n => !_prepared.ContainsKey(n)) is { } unknown) throw UndoRecord.Damaged(_record.Path, "no file of the base has it", unknown);
            Output = new(shards, toSingleFile ? [] : [.. _record.Manifest.OtherFiles.Select(Other)]);
        }
        catch
        {
            _adapters?.Dispose();
            _record.Dispose();
            throw;
        }
    }

    public override UnmergeMethod Method => UnmergeMethod.Undo;

    public override ModelOutput Output { get; }

    public override IReadOnlyList<string> Inputs => [_record.Path, .. _adapters.Paths];

    public override int TensorsMade => _changed.Count;

    public override TensorTiles? Tiles(OutputTensor tensor, OutputFile file)
    {
        if (!_changed.TryGetValue(tensor.Target.Name, out UndoTensor? recorded)) return null;
        (BlockCut cut, Prediction prediction, TensorCodes codes) = _prepared[recorded.Name];
        return new RestoredTensor(_record, recorded, tensor.Source!, cut, prediction, codes, tensor.Target, file, Counts);
    }

    public override void Dispose()
    {
        _adapters.Dispose();
        _record.Dispose();
    }

    private OutputShard Shard(UndoFile file, string path)
    {
        if (_merged.Gguf is { } gguf) return Shard(gguf, file, path);
        (byte[] bytes, SafetensorsHeader header) = _record.HeaderOf(file);
        return new(path, bytes, header.FileLength, [.. header.Tensors.Select(t => t with { Name = file.Prefix + t.Name }).Select(t => new OutputTensor(t, Source(t), null))]);
    }

    /// <summary>A merge leaves a GGUF file its header.</summary>
    private OutputShard Shard(GgufModelFile merged, UndoFile file, string path)
    {
        byte[] header = new byte[merged.HeaderLength];
        merged.ReadHeader(header);
        return merged.FileLength == file.Bytes && header.AsSpan().SequenceEqual(_record.HeaderBytesOf(file))
            ? new(path, header, file.Bytes, [.. merged.Tensors.Select(t => new OutputTensor(t, Source(t), null))])
            : throw new InvalidFileException(
                $"{Printable.Text(merged.Path)}: has another header or length than the base had: it is not what the merge of {Printable.Text(_record.Path)} wrote; name that merge's output", merged.Path);
    }

    /// <summary>The merged model's tensor that one of the base became.</summary>
    private StoredTensor Source(TensorInfo original)
    {
        string name = _record.Manifest.NamePrefix + original.Name;
        if (!_merged.Tensors.TryGetValue(name, out StoredTensor? merged))
        {
            throw new InvalidFileException(
                $"{Printable.Text(_merged.Path)}: lacks tensor '{Printable.Text(name)}', which the undo record {Printable.Text(_record.Path)} knows: it is the record of another merge",
                _merged.Path, name);
        }

        if (_changed.TryGetValue(original.Name, out UndoTensor? changed))
        {
            if (changed.MergedType != merged.DType.FileName()) throw NotTheMerged(_record, merged, $"is stored as {merged.DType.FileName()}, not as {Printable.Text(changed.MergedType)}");
        }
        else if (merged.DType != original.DType || merged.Shape != original.Shape)
        {
            throw NotTheMerged(_record, merged, $"is {merged.DType.FileName()} {merged.Shape}, but the base's is {original.DType.FileName()} {original.Shape}");
        }

        return merged;
    }

    /// <summary>A merged tensor that the merge did not leave so.</summary>
    public static InvalidFileException NotTheMerged(UndoRecord record, StoredTensor merged, string what) => new(
        $"{Printable.Text(merged.File!)}: tensor '{Printable.Text(merged.Name)}' {what}: it is not what the merge of {Printable.Text(record.Path)} wrote; "
        + "name that merge's output, or restore from the base (--base)", merged.File, merged.Name);

    private SmallFile Other(UndoOtherFile file)
    {
        if (file.Stored) return new(file.Path, null, _record.BytesOf(file));
        if (PathGuard.Refusal(file.Path, out _) is { } refusal) throw UndoRecord.Damaged(_record.Path, $"its file name '{Printable.Text(file.Path)}' {refusal}");
        if (_merged.Folder is null)
        {
            throw new InvalidOptionException(
                $"{Printable.Text(_merged.Path)} is a file, but {Printable.Text(file.Path)} lies beside it; name the merged model's folder, or a .safetensors file as output");
        }

        string path = Path.Combine(_merged.Folder, file.Path);
        return AdapterHashes.OfFile(path, default) == file.Hash ? new(file.Path, path, null) : throw new InvalidFileException(
            $"{Printable.Text(path)}: is not the base's any more: it was changed after the merge; put the base's file there, or restore from the base (--base)", path);
    }

    private void Prepare(UndoTensor recorded, OutputTensor tensor)
    {
        TensorShape shape = tensor.Source!.Shape;
        BlockCut cut = Cut(recorded, tensor.Target, tensor.Source.Info);
        Prediction prediction = new(recorded.Name, shape, cut, _adapters.Find(recorded, shape), recorded.InDoubles);
        if (!_prepared.TryAdd(recorded.Name, (cut, prediction, _record.CodesOf(recorded.Name, cut)))) throw UndoRecord.Damaged(_record.Path, "two files of the base have it", recorded.Name);
    }

    private BlockCut Cut(UndoTensor recorded, TensorInfo original, TensorInfo merged)
    {
        (int columns, int blockRows) = (recorded.Columns, recorded.BlockRows);
        long before = original.Shape.ElementCount, after = merged.Shape.ElementCount;
        bool whole = columns > 0 ? before % columns == 0 && after % columns == 0 : columns == 0 && before == 0 && after == 0;
        bool types = original.DType.Bytes() > 0
            && (original.DType == merged.DType || (original.DType.IsMergeable() && merged.DType.IsMergeable()));
        if (!whole || !types || blockRows < 1 || (blockRows > 1 && (long)blockRows * columns > MostBlockElements) || columns > int.MaxValue / sizeof(double))
        {
            throw UndoRecord.Damaged(_record.Path, $"blocks of {blockRows} × {columns} elements do not fit it", recorded.Name);
        }

        int divisor = Math.Max(columns, 1);
        return new(columns, blockRows, original.DType, before / divisor, merged.DType, after / divisor);
    }
}

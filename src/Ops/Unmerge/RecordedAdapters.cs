using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>The adapters of a record, found where it says or among those the user named, and the same to the byte. Only those are opened that are subtracted.</summary>
internal sealed class RecordedAdapters : IDisposable
{
    private readonly UndoRecord _record;
    private readonly Dictionary<int, Adapter> _opened = [];
    private readonly Dictionary<(int Adapter, string Target, int Occurrence), AdapterDelta> _updates = [];

    private RecordedAdapters(UndoRecord record) => _record = record;

    /// <summary>Where they were found.</summary>
    public IReadOnlyList<string> Paths => [.. _opened.Values.Select(a => a.Path)];

    /// <exception cref="LoraKitException">One is missing, or another than the one that was merged.</exception>
    public static RecordedAdapters Open(UndoRecord record, IReadOnlyList<AdapterInput> named)
    {
        RecordedAdapters adapters = new(record);
        try
        {
            List<(string Path, AdapterHashes Hashes)> candidates = [.. named.Select(a => (a.Path, AdapterHashes.Of(a.Path, default)))];
            foreach (int index in record.Manifest.Tensors.SelectMany(t => t.Updates).Select(u => u.Adapter).Distinct().Order())
            {
                if (index < 0 || index >= record.Manifest.Adapters.Count) throw UndoRecord.Damaged(record.Path, $"there is no adapter {index}");
                adapters.Add(index, Locate(record, record.Manifest.Adapters[index], candidates), record.Manifest.Adapters[index].Reading);
            }

            return adapters;
        }
        catch
        {
            adapters.Dispose();
            throw;
        }
    }

    /// <summary>The updates of a tensor as they were merged.</summary>
    /// <param name="tensor">What the record says of it.</param>
    /// <param name="merged">The shape after the merge.</param>
    public IReadOnlyList<WeightedDelta> Find(UndoTensor tensor, TensorShape merged)
    {
        List<WeightedDelta> found = [];
        foreach (UndoUpdate update in tensor.Updates)
        {
            if (!_updates.TryGetValue((update.Adapter, update.Target, update.Occurrence), out AdapterDelta? delta))
            {
                throw UndoRecord.Damaged(_record.Path, $"its adapter has no update of '{Printable.Text(update.Target)}'", tensor.Name);
            }

            ExpertsDelta? whole = update.Part is null ? null : delta as ExpertsDelta;
            if (update.Part is { } part) delta = whole?.Has(part) == true ? whole.Expert(delta.Target, part) : throw Unfit();
            WeightedDelta weighted = new(delta, _record.Manifest.Adapters[update.Adapter].Weight, update.Transposed) { Region = update.Region, Rows = update.Rows, Heads = update.Heads };
            bool fits = update.Region?.IsIn(merged) != false && merged.AsMatrix(weighted.RowDimensions).Columns == tensor.Columns
                && Fits(delta, Weight(merged, weighted), update) && Prediction.Subtracts(delta);
            found.Add(fits ? weighted : throw Unfit());

            InvalidFileException Unfit() => UndoRecord.Damaged(_record.Path, $"the update of '{Printable.Text(update.Target)}' does not fit it", tensor.Name);
        }

        return found;
    }

    private static bool Fits(AdapterDelta delta, TensorShape weight, UndoUpdate update)
    {
        if (update.Heads is { } heads && (update.Transposed || update.Region is not null || update.Rows is not null || !HeadRows.Fits(weight, heads))) return false;
        bool isRows = update.Rows is not null || update.Region is { IsRows: true };
        if (isRows && (update.Transposed || weight.Rank == 0)) return false;
        if (update.Rows is not { } rows) return delta.Fits(weight);
        return rows.IsValid && rows.Count == weight[0] && delta.Fits(rows.Whole(weight));
    }

    /// <summary>The weight that an update is of, as [out, in].</summary>
    private static TensorShape Weight(TensorShape tensor, WeightedDelta update) => update.Region is { } region
        ? region.Weight(tensor, update.Transposed)
        : update.Transposed ? Orientations.Turned(tensor, update.RowDimensions) ?? tensor : tensor;

    public void Dispose()
    {
        foreach (Adapter adapter in _opened.Values)
        {
            adapter.Dispose();
        }
    }

    private void Add(int index, string path, AdapterReadOptions? reading)
    {
        Adapter adapter = AdapterLayouts.Open(path, reading);
        _opened.Add(index, adapter);
        foreach ((AdapterDelta delta, string target, int occurrence) in UpdateNumbers.Of(adapter))
        {
            _updates.Add((index, target, occurrence), delta);
        }
    }

    private static string Locate(UndoRecord record, UndoAdapter adapter, List<(string Path, AdapterHashes Hashes)> candidates)
    {
        AdapterHashes wanted = new(adapter.Tensors, adapter.Config);
        if (candidates.FirstOrDefault(c => c.Hashes == wanted).Path is { } match) return match;
        if (adapter.Path.Contains('\0')) throw UndoRecord.Damaged(record.Path, "the path of its adapter is no path");
        string path = Path.GetFullPath(adapter.Path, Path.GetDirectoryName(RealPath.Of(record.Path))!);
        if (candidates.Count > 0 && !Path.Exists(path))
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(candidates[0].Path)}: is not the adapter that was merged (recorded at {Printable.Text(adapter.Path)}): its files have other hashes; name the one that was",
                candidates[0].Path);
        }

        if (!Path.Exists(path))
        {
            throw new InputNotFoundException(
                $"{Printable.Text(path)}: the adapter that was merged is not there any more; say where it is with --adapter", path);
        }

        return AdapterHashes.Of(path, default) == wanted ? path : throw new InvalidAdapterException(
            $"{Printable.Text(path)}: is not the adapter that was merged: its files have other hashes; name the one that was with --adapter", path);
    }
}

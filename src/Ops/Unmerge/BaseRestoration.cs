using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Unmerge;

/// <summary>
/// The base's bytes from the base itself, compared on the way with the merged model: names and shapes must be those of a merge; with the
/// adapters named, values are compared with W + Σ wᵢ·sᵢ·Bᵢ·Aᵢ too.
/// </summary>
internal sealed class BaseRestoration : Restoration
{
    private readonly Checkpoint _base;
    private readonly List<Adapter> _adapters = [];
    private readonly IReadOnlyList<string> _inputs;
    private readonly Dictionary<string, (OutputTensor Expected, StoredTensor Merged)> _pairs = new(StringComparer.Ordinal);
    private readonly MergeComparison _comparison = new();
    private readonly bool _checksValues;

    public BaseRestoration(UnmergeOptions options, Checkpoint merged)
    {
        _inputs = [options.Base!, .. options.Adapters.Select(a => a.Path)];
        _checksValues = options.Adapters.Count > 0;
        _base = Checkpoint.Open(options.Base!);
        try
        {
            foreach (AdapterInput input in options.Adapters)
            {
                _adapters.Add(input.Open(_base));
            }

            Checkpoint trained = ReplicatedBase.Of(_base, _adapters);
            EditPlanner edits = new(trained);
            for (int i = 0; i < _adapters.Count; i++)
            {
                edits.Add(_adapters[i], options.Adapters[i]);
            }

            edits.Finish();
            edits.Require(options.Base!, allowUnmatched: false);
            Match(OutputLayout.Create(trained, edits.Edits, edits.NamePrefix, null, null, null), merged, options.Base!);
            bool toSingleFile = OutputLayout.IsSingleFile(options.Output, _base, _base.Shards.Count);
            EditPlanner none = new(_base);
            IReadOnlyList<OutputShard> shards = OutputLayout.Create(_base, none.Edits, "", null, null, toSingleFile ? Path.GetFileName(options.Output) : null);
            Output = new(shards, toSingleFile ? [] : SmallFiles.Create(_base, shards, none, null));
            Warnings = _base.Warnings;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override UnmergeMethod Method => UnmergeMethod.Base;

    public override ModelOutput Output { get; }

    public override IReadOnlyList<string> Inputs => _inputs;

    public override int TensorsMade => _pairs.Count(p => !_checksValues || p.Value.Expected.Edit is not null);

    public override int TensorsRestored => _comparison.TensorsChanged;

    public override IEnumerable<string> Findings
    {
        get
        {
            if (!_checksValues || _comparison.MaxUlp <= 1) yield break;
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"the merged model is not quite base + adapters: {_comparison.Unexpected} elements are not what this merge gives, by up to {_comparison.MaxUlp} ULP "
                + $"(in {Printable.Text(_comparison.WorstTensor ?? "")}); the base was restored all the same");
        }
    }

    public override TensorTiles? Tiles(OutputTensor tensor, OutputFile file)
    {
        if (tensor.Target.DType.Bytes() == 0 || tensor.Target.Blocks is not null) return null; // Packed: never merged into, and not to be compared element by element.
        if (!_pairs.TryGetValue(tensor.Target.Name, out (OutputTensor, StoredTensor) pair)) return null; // A layer that the merged model has none of.
        (OutputTensor expected, StoredTensor merged) = pair;
        return new ComparedTensor(tensor.Source!, merged, _checksValues ? new TensorWork(expected, file, null) : null, tensor.Target, file, Counts, _comparison);
    }

    public override void Dispose()
    {
        _adapters.ForEach(a => a.Dispose());
        _base.Dispose();
    }

    /// <summary>Every tensor of the merge in the merged model, and no other.</summary>
    private void Match(IReadOnlyList<OutputShard> expected, Checkpoint merged, string @base)
    {
        List<string> misses = [];
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (OutputTensor tensor in expected.SelectMany(s => s.Tensors))
        {
            known.Add(tensor.Target.Name);
            if (!merged.Tensors.TryGetValue(tensor.Target.Name, out StoredTensor? found))
            {
                misses.Add(Printable.Text($"{tensor.Target.Name}: is not in the merged model"));
            }
            else if (found.Shape != tensor.Target.Shape || !SameOrCast(found.DType, tensor.Target.DType))
            {
                misses.Add(Printable.Text(
                    $"{tensor.Target.Name}: is {found.DType.FileName()} {found.Shape} in the merged model; expected {tensor.Target.DType.FileName()} {tensor.Target.Shape}"));
            }
            else if (tensor.Source is { } source)
            {
                _pairs.TryAdd(source.Name, (tensor with { Target = tensor.Target with { DType = found.DType } }, found));
            }
        }

        misses.AddRange(merged.Tensors.Keys.Where(n => !known.Contains(n)).Select(n => Printable.Text($"{n}: is in the merged model only")));
        if (misses.Count == 0) return;
        string more = misses.Count == 1 ? string.Empty : $" (and {misses.Count - 1} more)";
        throw new TargetMismatchException(
            $"{Printable.Text(merged.Path)} is no merge into {Printable.Text(@base)}: {misses[0]}{more}; name the base it was merged into, and the adapters if they changed shapes or names",
            misses, merged.Path);
    }

    private static bool SameOrCast(DType found, DType expected) => found == expected || (found.IsMergeable() && expected.IsMergeable());
}

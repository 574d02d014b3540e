using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>The adapters subtracted from the merged model: W ≈ round(W' − Σ wᵢ·sᵢ·Bᵢ·Aᵢ), for those who have no record and no base.</summary>
internal sealed class Subtraction : Restoration
{
    private const string Instead = "name the undo record (--undo) or the base (--base)";

    private readonly List<Adapter> _adapters = [];
    private readonly EditPlanner _edits;
    private readonly IReadOnlyList<string> _inputs;

    public Subtraction(UnmergeOptions options, Checkpoint merged)
    {
        _inputs = [.. options.Adapters.Select(a => a.Path)];
        _edits = new(merged);
        try
        {
            foreach (AdapterInput input in options.Adapters)
            {
                Adapter adapter = input.Open(merged);
                _adapters.Add(adapter);
                RequireSubtractable(adapter);
                _edits.Add(adapter, input);
            }

            _edits.Finish();
            _edits.Require(options.Merged, allowUnmatched: false);
            bool toSingleFile = OutputLayout.IsSingleFile(options.Output, merged, merged.Shards.Count);
            EditPlanner none = new(merged); // Names, types and files stay: only values change back.
            IReadOnlyList<OutputShard> shards = OutputLayout.Create(merged, none.Edits, "", null, null, toSingleFile ? Path.GetFileName(options.Output) : null);
            Output = new(shards, toSingleFile ? [] : SmallFiles.Create(merged, shards, none, null));
            Warnings = _edits.Warnings;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override UnmergeMethod Method => UnmergeMethod.Adapter;

    public override ModelOutput Output { get; }

    public override IReadOnlyList<string> Inputs => _inputs;

    public override int TensorsMade => _edits.Edits.Count;

    public override TensorTiles? Tiles(OutputTensor tensor, OutputFile file) =>
        _edits.Edits.TryGetValue(tensor.Target.Name, out TensorEdit? edit) ? new SubtractedTensor(tensor.Source!, edit, tensor.Target, file, Counts) : null;

    public override void Dispose() => _adapters.ForEach(a => a.Dispose());

    private static void RequireSubtractable(Adapter adapter)
    {
        if (adapter.LayerReplication.Count > 0)
        {
            throw new UnsupportedException($"{Printable.Text(adapter.Path)}: was merged into replicated layers ('layer_replication'), of which subtracting makes no base; name the base (--base)", adapter.Path);
        }

        if (adapter.Replacements.Count > 0)
        {
            Replacement first = adapter.Replacements[0];
            throw new UnsupportedException(
                $"{Printable.Text(adapter.Path)}: replaces {Printable.Text(first.Target.Path)} ({first.Reason}), and what was there cannot be computed; {Instead}", adapter.Path, first.Target.Path);
        }

        if (adapter.Deltas.FirstOrDefault(d => !Prediction.Subtracts(d)) is { } delta)
        {
            throw new UnsupportedException(
                $"{Printable.Text(adapter.Path)}: {Printable.Text(delta.Target.Path)}: a {delta.Kind} update cannot be subtracted without the base; {Instead}", adapter.Path, delta.Target.Path);
        }
    }
}

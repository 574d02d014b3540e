using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>
/// From adapters and a base to the list of edits. Every update finds its tensor with a shape that fits, or is a miss; all misses are
/// gathered before anything is said.
/// </summary>
internal sealed class EditPlanner(Checkpoint @base)
{
    private const int LineLength = 2000;

    private readonly Dictionary<string, TensorEdit> _edits = new(StringComparer.Ordinal);
    private readonly List<string> _misses = [];
    private readonly List<string> _conflicts = [];
    private readonly List<string> _warnings = [];
    private readonly Dictionary<(string Adapter, string Tensor), (AdapterDelta Delta, bool Tied)> _tiedUpdates = [];
    private string? _firstMissed;
    private string? _firstConflicting;

    /// <summary>Edits by the name of the output tensor.</summary>
    public IReadOnlyDictionary<string, TensorEdit> Edits => _edits;

    /// <summary>What found no place, one line each.</summary>
    public IReadOnlyList<string> Misses => _misses;

    /// <summary>What would make the output a broken model, one line each.</summary>
    public IReadOnlyList<string> Conflicts => _conflicts;

    /// <summary>The parameter that the first miss is about, else the tensor of the first conflict.</summary>
    public string? FirstUnfit => _firstMissed ?? _firstConflicting;

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Whether a head that the base ties to its embedding becomes a tensor of its own.</summary>
    public bool Unties { get; private set; }

    /// <summary>The new number of rows of the embeddings; null where the vocabulary keeps its size.</summary>
    public long? NewVocabularySize { get; private set; }

    public void Add(Adapter adapter, AdapterInput input)
    {
        ParameterName[] parameters = [.. adapter.Replacements.Select(r => r.Target).Concat(adapter.Deltas.Select(d => d.Target)).Distinct()];
        Dictionary<ParameterName, Target> targets = TargetMatch.Resolve(parameters, @base);
        foreach ((ParameterName parameter, Target target) in targets)
        {
            if (target.Miss is { } miss) Miss($"{adapter.Path}: {miss}", parameter.Path);
        }

        foreach (Replacement replacement in adapter.Replacements)
        {
            if (targets[replacement.Target] is not { Tensor: { } tensor } target) continue;
            bool tied = target.TiedTo;
            if (tied && adapter.Replacements.FirstOrDefault(r => r.Rows is null && targets[r.Target] is { TiedTo: false } t && t.Tensor == tensor) is { } partner
                && SameValues.Are(partner.Values, replacement.Values))
            {
                Warn($"{replacement.Target} and {partner.Target} are one tensor in the base and get the same values: they stay one");
                continue;
            }

            Replace(adapter, input, replacement, tensor, tied);
        }

        Orientations orientations = new(adapter.Deltas, d => targets[d.Target].Tensor is { } t ? Shape(t) : null);
        foreach (AdapterDelta delta in adapter.Deltas)
        {
            if (targets[delta.Target].Tensor is { } tensor) AddDelta(adapter, input, delta, tensor, targets[delta.Target].TiedTo, orientations);
        }
    }

    /// <summary>Checks what can only be seen when every adapter was added.</summary>
    public void Finish()
    {
        // Tensors for which there were only misses.
        foreach (TensorEdit edit in _edits.Values.Where(e => e.IsEmpty).ToArray())
        {
            _edits.Remove(edit.Name);
        }

        TensorEdit[] resized = [.. _edits.Values.Where(e => e.Base is not null && e.Whole is not null && e.Shape != e.Base.Shape)];
        if (resized.Length == 0) return;
        NewVocabularySize = resized[0].Shape[0];
        foreach (string name in @base.Tensors.Keys.Where(n => TiedEmbeddings.IsInput(n) || TiedEmbeddings.IsOutput(n)))
        {
            long rows = Shape(name)[0];
            if (rows != NewVocabularySize && @base.Tensors[name].Shape[0] == resized[0].Base!.Shape[0])
            {
                Conflict(
                    $"{resized[0].Whole!.Adapter}: the vocabulary becomes {NewVocabularySize} in {resized[0].Name}, but {name} keeps {rows} rows " +
                    "and the adapter brings no values for the others",
                    name);
            }
        }

        Warn(
            $"the vocabulary changes from {resized[0].Base!.Shape[0]} to {NewVocabularySize} rows: config.json is updated; " +
            "the tokenizer is the base's, take the adapter's if it added tokens");
    }

    private void Replace(Adapter adapter, AdapterInput input, Replacement replacement, string tensor, bool tied)
    {
        if (replacement.Rows is { } rows)
        {
            ReplaceRows(adapter, input, replacement, rows, tensor);
            return;
        }

        TensorEdit edit = tied ? Untied(replacement.Target.Path, tensor) : Edit(tensor);
        bool sameShape = replacement.Values.Shape == edit.Shape;
        bool resizes = !sameShape && (TiedEmbeddings.IsInput(edit.Name) || TiedEmbeddings.IsOutput(edit.Name))
            && replacement.Values.Shape.Rank == 2 && edit.Shape.Rank == 2 && replacement.Values.Shape[1] == edit.Shape[1];
        if (!sameShape && !resizes)
        {
            Miss($"{adapter.Path}: {replacement.Target} is {replacement.Values.Shape} in the adapter, but {tensor} is {edit.Shape} in the base", replacement.Target.Path);
        }
        else if (resizes && input.Weight != 1)
        {
            Miss(
                $"{adapter.Path}: {replacement.Target} has other rows than {tensor} ({replacement.Values.Shape} for {edit.Shape}), " +
                $"which has a meaning at weight 1 only, not at {Number(input.Weight)}",
                replacement.Target.Path);
        }
        else if (edit.Whole is { } other)
        {
            Miss($"{adapter.Path}: {replacement.Target} replaces {tensor}, which {other.Adapter} replaces too", replacement.Target.Path);
        }
        else
        {
            edit.Replace(new(replacement.Values, input.Weight, adapter.Path), Weighted(replacement.Reason, input.Weight));
        }
    }

    private void ReplaceRows(Adapter adapter, AdapterInput input, Replacement replacement, IReadOnlyList<long> rows, string tensor)
    {
        TensorEdit edit = Edit(tensor);
        if (edit.Shape.Rank != 2 || replacement.Values.Shape.Rank != 2 || replacement.Values.Shape[1] != edit.Shape[1]
            || replacement.Values.Shape[0] != rows.Count)
        {
            Miss(
                $"{adapter.Path}: {replacement.Target} brings rows {replacement.Values.Shape} for {rows.Count} tokens, but {tensor} is {edit.Shape} in the base",
                replacement.Target.Path);
            return;
        }

        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i] < 0 || rows[i] >= edit.Shape[0])
            {
                Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]}, but {tensor} has {edit.Shape[0]} rows", replacement.Target.Path);
            }
            else if (edit.Rows.TryGetValue(rows[i], out WeightedRow other))
            {
                Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]} of {tensor}, which {other.Adapter} replaces too", replacement.Target.Path);
            }
            else
            {
                edit.ReplaceRow(rows[i], new(replacement.Values, i, input.Weight, adapter.Path));
            }
        }

        edit.Describe(Weighted($"{replacement.Reason} ({rows.Count} rows)", input.Weight));
    }

    private void AddDelta(Adapter adapter, AdapterInput input, AdapterDelta delta, string tensor, bool tied, Orientations orientations)
    {
        // A head that was replaced in full is a tensor of its own by now; its update belongs there.
        TensorEdit edit = tied && _edits.TryGetValue(delta.Target.Path, out TensorEdit? untied) ? untied : Edit(tensor);
        TensorShape? needed = delta switch
        {
            LowRankDelta lowRank => orientations.Fits(lowRank, edit.Shape) ? edit.Shape : null,
            DenseDelta dense => dense.Values.Shape == edit.Shape ? edit.Shape : null,
            _ => throw new UnsupportedException($"module '{delta.Target.Module}': a {delta.Kind} update cannot be merged yet", adapter.Path),
        };
        if (needed is null)
        {
            Miss($"{adapter.Path}: {delta.Target} needs {Wanted(delta)}, but {tensor} is {edit.Shape} in the base", delta.Target.Path);
            return;
        }

        if (!edit.BaseType.IsMergeable() || IsScaled(tensor))
        {
            Miss(
                $"{adapter.Path}: {tensor} is stored as {edit.BaseType.FileName()} (quantised or integers) in the base, to which nothing can be added exactly: an unquantised base is needed",
                tensor);
            return;
        }

        if (edit.Base is not null && ReferenceEquals(edit, _edits.GetValueOrDefault(tensor)) && !NoteTied(adapter, delta, tensor, tied)) return;
        bool transposed = delta is LowRankDelta low && orientations.IsTransposed(low, edit.Shape);
        edit.Add(new(delta, input.Weight, transposed), Weighted(Word(delta), input.Weight));
    }

    /// <summary>
    /// One tensor that serves as embedding and head takes an update made for either (as PEFT does, and both change), and takes it once
    /// where the adapter brings the same one for both (<c>ensure_weight_tying</c>). Different ones cannot be kept apart in it.
    /// </summary>
    private bool NoteTied(Adapter adapter, AdapterDelta delta, string tensor, bool tied)
    {
        if (_tiedUpdates.TryGetValue((adapter.Path, tensor), out (AdapterDelta Delta, bool Tied) other) && other.Tied != tied)
        {
            if (delta is LowRankDelta one && other.Delta is LowRankDelta two && SameValues.Are(one, two))
            {
                Warn($"{delta.Target} and {other.Delta.Target} are one tensor in the base and have the same update: it is added once");
            }
            else
            {
                Miss(
                    $"{adapter.Path}: {delta.Target} and {other.Delta.Target} are one tensor in the base (tied), and the adapter updates them differently; " +
                    "merge into a base saved with both",
                    delta.Target.Path);
            }

            return false;
        }

        if (_tiedUpdates.TryAdd((adapter.Path, tensor), (delta, tied)) && tied)
        {
            Warn($"{delta.Target} is tied to {tensor} in the base: the update goes there, and both change");
        }

        return true;
    }

    private TensorEdit Untied(string name, string partner)
    {
        if (_edits.TryGetValue(name, out TensorEdit? existing)) return existing;
        StoredTensor source = @base.Tensors[partner];
        TensorEdit edit = new(name, null, source.DType, source.Shape);
        _edits.Add(name, edit);
        Unties = true;
        Warn($"{name} becomes a tensor of its own: the base ties it to {partner}, and the adapter replaces it");
        return edit;
    }

    private TensorEdit Edit(string tensor)
    {
        if (_edits.TryGetValue(tensor, out TensorEdit? existing)) return existing;
        StoredTensor source = @base.Tensors[tensor];
        TensorEdit edit = new(tensor, source, source.DType, source.Shape);
        _edits.Add(tensor, edit);
        return edit;
    }

    private TensorShape Shape(string tensor) => _edits.TryGetValue(tensor, out TensorEdit? edit) ? edit.Shape : @base.Tensors[tensor].Shape;

    // FP8 checkpoints keep their scales beside the weight; bytes without them are not the weight's values.
    private bool IsScaled(string tensor) =>
        @base.Tensors.ContainsKey(tensor + "_scale_inv") || @base.Tensors.ContainsKey(tensor + "_scale") || @base.Tensors.ContainsKey(tensor + ".absmax");

    // Lines are made of names from files: each stays one line, whatever they hold.
    private void Miss(string line, string parameter)
    {
        _misses.Add(Printable.Text(line, LineLength));
        _firstMissed ??= parameter;
    }

    private void Conflict(string line, string tensor)
    {
        _conflicts.Add(Printable.Text(line, LineLength));
        _firstConflicting ??= tensor;
    }

    private void Warn(string line) => _warnings.Add(Printable.Text(line, LineLength));

    private static string Wanted(AdapterDelta delta) => delta switch
    {
        LowRankDelta lowRank => $"[{lowRank.OutFeatures}, {string.Join(", ", lowRank.Down.Shape.Sizes.Skip(1))}]",
        DenseDelta dense => dense.Values.Shape.ToString(),
        _ => "another shape",
    };

    private static string Word(AdapterDelta delta) => delta is LowRankDelta lowRank ? $"lora r={lowRank.Rank}" : delta.Kind;

    private static string Weighted(string word, double weight) => weight == 1 ? word : $"{word} × {Number(weight)}";

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}

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
/// gathered before anything is said. The replacements of all adapters come before the updates of any.
/// </summary>
internal sealed class EditPlanner(Checkpoint @base)
{
    private readonly PlanNotes _notes = new();
    private readonly Dictionary<string, TensorEdit> _edits = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _untied = new(StringComparer.Ordinal);
    private readonly List<(Adapter Adapter, AdapterInput Input, IReadOnlyList<AdapterDelta> Deltas, Dictionary<ParameterName, Target> Targets)> _added = [];
    private readonly Dictionary<(Adapter Adapter, string Tensor), UpdateUnit> _units = [];
    private readonly Dictionary<(string Adapter, string Tensor), (AdapterDelta Delta, bool Tied)> _tiedUpdates = [];

    /// <summary>Edits by the base's name of the tensor, or by the output's where the base has none.</summary>
    public IReadOnlyDictionary<string, TensorEdit> Edits => _edits;

    /// <summary>What found no place, one line each.</summary>
    public IReadOnlyList<string> Misses => _notes.Misses;

    /// <summary>What would make the output a broken model, one line each.</summary>
    public IReadOnlyList<string> Conflicts => _notes.Conflicts;

    /// <summary>The parameter that the first miss is about, else the tensor of the first conflict.</summary>
    public string? FirstUnfit => _notes.FirstUnfit;

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings => _notes.Warnings;

    /// <summary>Whether a head that the base ties to its embedding becomes a tensor of its own.</summary>
    public bool Unties { get; private set; }

    /// <summary>The new number of rows of the embeddings; null where the vocabulary keeps its size.</summary>
    public long? NewVocabularySize { get; private set; }

    /// <summary>What the output puts before the names of the base's tensors; mostly nothing.</summary>
    public string NamePrefix { get; private set; } = "";

    /// <summary>What one update of an adapter is of one tensor of the base: all of it, a region of it, or the tensor is a part of the update's.</summary>
    private enum UpdateUnit : byte
    {
        Tensor,
        Region,
        Part,
    }

    public void Add(Adapter adapter, AdapterInput input)
    {
        IReadOnlyList<AdapterDelta> deltas = Readings(adapter);
        ParameterName[] parameters = [.. adapter.Replacements.Select(r => r.Target).Concat(deltas.Select(d => d.Target)).Distinct()];
        HashSet<ParameterName> whole = [.. adapter.Replacements.Where(r => r is { Rows: null, Reason: "modules_to_save" }).Select(r => r.Target)];
        whole.ExceptWith(adapter.Replacements.Where(r => r.Rows is not null).Select(r => r.Target).Concat(deltas.Select(d => d.Target)));
        Dictionary<ParameterName, Target> targets = TargetMatch.Resolve(parameters, whole, @base);
        HashSet<ParameterName> optional = [.. deltas.Where(d => d.IsOptional).Select(d => d.Target)];
        foreach ((ParameterName parameter, Target target) in targets)
        {
            if (target.Miss is { } miss && !optional.Contains(parameter)) _notes.Miss($"{adapter.Path}: {miss}", parameter.Path);
        }

        _added.Add((adapter, input, deltas, targets));
        // Rows last: those of new tokens are there only when the whole has grown.
        foreach (Replacement replacement in adapter.Replacements.OrderBy(r => r.Rows is not null))
        {
            Target target = targets[replacement.Target];
            if (target.IsNew) AddHead(adapter, input, replacement);
            if ((target.Place, target.Singles) is not (null, null))
            {
                _notes.Miss($"{adapter.Path}: {replacement.Target} is replaced in the adapter, but the base stores its experts otherwise; expected the same", replacement.Target.Path);
                continue;
            }

            if (target.Tensor is not { } tensor) continue;
            bool tied = target.TiedTo;
            if (tied && adapter.Replacements.FirstOrDefault(r => r.Rows is null && targets[r.Target] is { TiedTo: false } t && t.Tensor == tensor) is { } partner
                && SameValues.Are(partner.Values, replacement.Values))
            {
                _notes.Warn($"{replacement.Target} and {partner.Target} are one tensor in the base and get the same values: they stay one");
                continue;
            }

            Replace(adapter, input, replacement, tensor, tied);
        }
    }

    /// <summary>Adds the updates to what the replacements left, and checks what can only be seen when every adapter is there.</summary>
    public void Finish()
    {
        foreach ((Adapter adapter, AdapterInput input, IReadOnlyList<AdapterDelta> deltas, Dictionary<ParameterName, Target> targets) in _added)
        {
            Orientations orientations = new(deltas, d => ShapeFor(d, targets[d.Target]), @base);
            foreach (AdapterDelta delta in deltas)
            {
                if (targets[delta.Target] is { Tensor: { } stack, Place: { } place }) AddToStack(adapter, input, delta, stack, place);
                else if (targets[delta.Target].Singles is { } singles) AddToSingles(adapter, input, delta, singles, orientations);
                else if (targets[delta.Target].Tensor is { } tensor) AddDelta(adapter, input, delta, tensor, targets[delta.Target].TiedTo, orientations);
            }
        }

        // Tensors for which there were only misses.
        foreach (TensorEdit edit in _edits.Values.Where(e => e.IsEmpty).ToArray())
        {
            _edits.Remove(edit.Name);
            _untied.Remove(edit.Name);
        }

        UntieStored();
        foreach ((string name, string partner) in _untied)
        {
            Unties = true;
            _notes.Warn($"{name} becomes a tensor of its own: the base ties it to {partner}, and the adapter replaces it");
        }

        NewVocabularySize = Vocabulary.NewSize(_edits.Values, @base, _notes);
        if (_edits.Values.All(e => e.Base is not null)) return;
        var matches = _added.SelectMany(a => a.Targets.Where(t => t.Value is { Tensor: not null, TiedTo: false, Place: null }).Select(t => (t.Key.Path, t.Value.Tensor!)));
        NamePrefix = BodyPrefix.Missing([.. matches], @base.Tensors.Keys);
        if (NamePrefix.Length > 0) _notes.Warn($"the base is saved without its head: its tensors are named '{NamePrefix}…' beside the new one");
    }

    /// <summary>Stops where something found no place, or would make a broken model.</summary>
    /// <param name="path">The base, for the message.</param>
    /// <param name="allowUnmatched">Whether it is enough that something found its place.</param>
    /// <exception cref="TargetMismatchException">It stops; all misses are listed.</exception>
    public void Require(string path, bool allowUnmatched)
    {
        IReadOnlyList<string> stopping = allowUnmatched ? Conflicts : [.. Misses, .. Conflicts];
        if (stopping.Count > 0)
        {
            string more = stopping.Count == 1 ? string.Empty : $" (and {stopping.Count - 1} more)";
            throw new TargetMismatchException(
                $"the adapter does not fit the base {Printable.Text(path)}: {stopping[0]}{more}; merge into the model it was trained on", stopping, path, FirstUnfit);
        }

        if (Edits.Count == 0 && Misses.Count > 0)
        {
            throw new TargetMismatchException($"nothing of the adapter fits the base {Printable.Text(path)}: {Misses[0]}", Misses, path, FirstUnfit);
        }
    }

    /// <summary>A head for a new task, of which a base for another task has nothing.</summary>
    private void AddHead(Adapter adapter, AdapterInput input, Replacement replacement)
    {
        string name = replacement.Target.Path;
        if (input.Weight != 1)
        {
            _notes.Miss($"{adapter.Path}: {name} is new, which has a meaning at weight 1 only, not at {Number(input.Weight)}", replacement.Target.Path);
        }
        else if (replacement.Values.DType.Bytes() == 0)
        {
            _notes.Miss($"{adapter.Path}: {name} is new and stored as {replacement.Values.DType.FileName()}, which cannot be written", replacement.Target.Path);
        }
        else if (_edits.TryGetValue(name, out TensorEdit? other))
        {
            _notes.Miss($"{adapter.Path}: {name} is new, and {other.Whole!.Adapter} brings it too", replacement.Target.Path);
        }
        else
        {
            TensorEdit edit = new(name, null, replacement.Values.DType, replacement.Values.Shape);
            edit.Replace(new(replacement.Values, 1, adapter.Path), replacement.Reason);
            _edits.Add(name, edit);
            _notes.Warn($"{name} {replacement.Values.Shape} is new: the base has no such module; config.json still describes the base (architectures, number of labels)");
        }
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
        if (IsScaled(tensor) || !CanTakePlace(replacement.Values.DType, edit.BaseType, input.Weight))
        {
            MissQuantised(adapter, tensor, edit);
        }
        else if (!sameShape && !Vocabulary.Resizes(edit.Name, edit.Shape, replacement.Values.Shape))
        {
            _notes.Miss($"{adapter.Path}: {replacement.Target} is {replacement.Values.Shape} in the adapter, but {tensor} is {edit.Shape} in the base", replacement.Target.Path);
        }
        else if (!sameShape && input.Weight != 1)
        {
            _notes.Miss(
                $"{adapter.Path}: {replacement.Target} has another size than {tensor} ({replacement.Values.Shape} for {edit.Shape}), " +
                $"which has a meaning at weight 1 only, not at {Number(input.Weight)}", replacement.Target.Path);
        }
        else if (Replacer(edit, adapter) is { } other)
        {
            _notes.Miss($"{adapter.Path}: {replacement.Target} replaces {tensor}, which {other} replaces too", replacement.Target.Path);
        }
        else
        {
            edit.Replace(new(replacement.Values, input.Weight, adapter.Path), Weighted(replacement.Reason, input.Weight));
        }
    }

    private void ReplaceRows(Adapter adapter, AdapterInput input, Replacement replacement, IReadOnlyList<long> rows, string tensor)
    {
        TensorEdit edit = Edit(tensor);
        if (!edit.BaseType.IsMergeable() || !replacement.Values.DType.IsMergeable() || IsScaled(tensor))
        {
            MissQuantised(adapter, tensor, edit);
            return;
        }

        if (edit.Shape.Rank != 2 || replacement.Values.Shape.Rank != 2 || replacement.Values.Shape[1] != edit.Shape[1]
            || replacement.Values.Shape[0] != rows.Count)
        {
            _notes.Miss(
                $"{adapter.Path}: {replacement.Target} brings rows {replacement.Values.Shape} for {rows.Count} tokens, but {tensor} is {edit.Shape} in the base", replacement.Target.Path);
            return;
        }

        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i] < 0 || rows[i] >= edit.Shape[0])
            {
                _notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]}, but {tensor} has {edit.Shape[0]} rows", replacement.Target.Path);
            }
            else if (edit.Whole is { } whole && whole.Adapter != adapter.Path)
            {
                _notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]} of {tensor}, which {whole.Adapter} replaces whole", replacement.Target.Path);
            }
            else if (edit.Rows.TryGetValue(rows[i], out WeightedRow other))
            {
                _notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]} of {tensor}, which {other.Adapter} replaces too", replacement.Target.Path);
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
        TensorEdit edit = tied && _edits.TryGetValue(TiedEmbeddings.HeadName(delta.Target.Path, tensor), out TensorEdit? untied) ? untied : Edit(tensor);
        if (!edit.BaseType.IsMergeable() || IsScaled(tensor))
        {
            MissQuantised(adapter, tensor, edit);
            return;
        }

        if (!Orientations.Fits(delta, edit.Shape))
        {
            _notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but {tensor} is {edit.Shape} in the base", delta.Target.Path);
            return;
        }

        if (edit.Base is not null && ReferenceEquals(edit, _edits.GetValueOrDefault(tensor)) && !NoteTied(adapter, delta, tensor, tied)) return;
        Add(adapter, edit, new(delta, input.Weight, orientations.IsTransposed(delta, edit.Shape, tensor)), UpdateUnit.Tensor);
    }

    /// <summary>An expert's update, into its part of the stack of all.</summary>
    private void AddToStack(Adapter adapter, AdapterInput input, AdapterDelta delta, string tensor, ExpertPlace place)
    {
        TensorEdit edit = Edit(tensor);
        bool[] fitting = [.. new[] { false, true }.Where(inOut => ExpertPlacement.RegionOf(place, edit.Shape, inOut) is { } r && delta.Fits(r.Weight(inOut)))];
        if (!edit.BaseType.IsMergeable() || IsScaled(tensor))
        {
            MissQuantised(adapter, tensor, edit);
        }
        else if (fitting.Length == 0)
        {
            _notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but {tensor}, where the base has expert {place.Expert}, is {edit.Shape}", delta.Target.Path);
        }
        else if (place.Half is not null && @base.Config?.ModelType == "gpt_oss")
        {
            _notes.Miss($"{adapter.Path}: {delta.Target} is one half of {tensor}, which this model interleaves; expected an update of the whole", delta.Target.Path);
        }
        else if ((fitting.Length == 1 ? fitting[0] : ExpertStorage.IsInOut(@base, tensor)) is not { } inOut)
        {
            _notes.Miss($"{adapter.Path}: {delta.Target} fits {tensor} {edit.Shape} as [experts, out, in] and as [experts, in, out], and nothing says which it is", delta.Target.Path);
        }
        else
        {
            Add(adapter, edit, new(delta, input.Weight, inOut) { Region = ExpertPlacement.RegionOf(place, edit.Shape, inOut) }, UpdateUnit.Region);
        }
    }

    /// <summary>A stack's update, expert by expert, into the tensors that the base has of them.</summary>
    private void AddToSingles(Adapter adapter, AdapterInput input, AdapterDelta delta, ExpertTensors singles, Orientations orientations)
    {
        if (delta is not ExpertsDelta experts || ShapeFor(delta, new(null, null, Singles: singles)) is not { } stack || !Orientations.Fits(delta, stack))
        {
            _notes.Miss(
                $"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but the base has {singles.Name(0, singles.Leaves[0])} {Shape(singles.Name(0, singles.Leaves[0]))} and others, "
                + "which make no such stack", delta.Target.Path);
            return;
        }

        bool turned = orientations.IsTransposed(delta, stack, delta.Target.Path);
        foreach ((string tensor, LowRankDelta one, ExpertPart part) in ExpertPlacement.Split(experts, singles, turned, t => Shape(t)[0]))
        {
            TensorEdit edit = Edit(tensor);
            if (!edit.BaseType.IsMergeable() || IsScaled(tensor)) MissQuantised(adapter, tensor, edit);
            else Add(adapter, edit, new(one, input.Weight, false) { PartOf = (experts, part) }, UpdateUnit.Part);
        }
    }

    private void Add(Adapter adapter, TensorEdit edit, WeightedDelta weighted, UpdateUnit unit)
    {
        bool sameRows = edit.Deltas.Count == 0 || edit.Deltas[0].RowDimensions == weighted.RowDimensions;
        if (!sameRows || (_units.TryGetValue((adapter, edit.Name), out UpdateUnit other) && other != unit))
        {
            ParameterName target = weighted.Delta.Target;
            _notes.Miss($"{adapter.Path}: {target}: {edit.Name} is updated as a stack of experts and as single weights; expected one kind of update", target.Path);
            return;
        }

        _units[(adapter, edit.Name)] = unit;
        edit.Add(weighted, Weighted(Word(weighted.Delta), weighted.Weight));
    }

    /// <summary>The shape that an update meets, or the one that single experts would make as a stack; null where there is none.</summary>
    private TensorShape? ShapeFor(AdapterDelta delta, Target target) => target switch
    {
        { Place: not null } => null,
        { Tensor: { } tensor } => Shape(tensor),
        { Singles: { } singles } when delta is ExpertsDelta stack =>
            ExpertPlacement.StackOf(singles, stack.Experts, t => @base.Tensors.ContainsKey(t) ? Shape(t) : null),
        _ => null,
    };

    private IReadOnlyList<AdapterDelta> Readings(Adapter adapter)
    {
        if (adapter.Deltas.All(d => d.Readings.Count == 1)) return adapter.Deltas;
        HashSet<ParameterName> possible = [.. adapter.Deltas.SelectMany(d => d.Readings).Select(r => r.Target)];
        Dictionary<ParameterName, Target> targets = TargetMatch.Resolve(possible, new HashSet<ParameterName>(), @base);
        return ParameterReadings.Choose(
            adapter.Deltas,
            reading => ShapeFor(reading, targets[reading.Target]) is { } shape && Orientations.Fits(reading, shape),
            open => _notes.Miss(
                $"{adapter.Path}: {open[0].Target.Module} has factors for {string.Join(" and ", open.Select(d => d.Target.Parameter))}, and their shapes fit more than one way; "
                + "it is not clear which are whose", open[0].Target.Path));
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
                _notes.Warn($"{delta.Target} and {other.Delta.Target} are one tensor in the base and have the same update: it is added once");
            }
            else
            {
                _notes.Miss(
                    $"{adapter.Path}: {delta.Target} and {other.Delta.Target} are one tensor in the base (tied), and the adapter updates them differently; " +
                    "merge into a base saved with both", delta.Target.Path);
            }

            return false;
        }

        if (_tiedUpdates.TryAdd((adapter.Path, tensor), (delta, tied)) && tied)
        {
            _notes.Warn($"{delta.Target} is tied to {tensor} in the base: the update goes there, and both change");
        }

        return true;
    }

    private TensorEdit Untied(string wanted, string partner)
    {
        string name = TiedEmbeddings.HeadName(wanted, partner);
        if (_edits.TryGetValue(name, out TensorEdit? existing)) return existing;
        StoredTensor source = @base.Tensors[partner];
        TensorEdit edit = new(name, null, source.DType, source.Shape);
        _edits.Add(name, edit);
        _untied.Add(name, partner);
        return edit;
    }

    /// <summary>What is stored twice and changes once is two tensors; a loader that ties them would drop one.</summary>
    private void UntieStored()
    {
        if (TiedEmbeddings.StoredTwice(@base) is not var (input, output) || (!_edits.ContainsKey(input) && !_edits.ContainsKey(output))) return;
        if (SameValues.Are(@base.Tensors[input], @base.Tensors[output]))
        {
            Unties = true;
            _notes.Warn($"{output} and {input} are tied, but both stored: the output has them as two, and tie_word_embeddings false");
        }
        else if (_edits.ContainsKey(output))
        {
            _notes.Conflict($"{output} changes, but config.json ties it to {input}, and the base stores other values for it: one of the two is wrong", output);
        }
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

    private static bool CanTakePlace(DType type, DType of, double weight) =>
        (of.IsMergeable() && type.IsMergeable()) || (of == type && type.Bytes() > 0 && weight == 1);

    private void MissQuantised(Adapter adapter, string tensor, TensorEdit edit) => _notes.Miss(
        $"{adapter.Path}: {tensor} is stored as {edit.BaseType.FileName()} (quantised), whose values cannot be changed exactly; merge into the unquantised base", tensor);

    // Rows and the whole of an embedding may be replaced by one adapter, and then the rows are the whole's.
    private static string? Replacer(TensorEdit edit, Adapter adapter) =>
        edit.Whole?.Adapter ?? edit.Rows.Values.Select(r => r.Adapter).FirstOrDefault(path => path != adapter.Path);

    private static string Word(AdapterDelta delta) => delta.Facts.Rank is { } rank ? $"{delta.Kind} r={rank}" : delta.Kind;

    private static string Weighted(string word, double weight) => weight == 1 ? word : $"{word} × {Number(weight)}";

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}

using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>
/// From adapters and a base to the list of edits. Every update finds its tensor with a shape that fits, or is a miss; all misses are
/// gathered before anything is said. The replacements of all adapters come before the updates of any.
/// </summary>
internal sealed class EditPlanner
{
    private readonly PlanNotes _notes;
    private readonly TensorEdits _edits;
    private readonly ReplacementPlanner _replacements;
    private readonly UpdatePlanner _updates;
    private readonly List<(Adapter Adapter, AdapterInput Input, IReadOnlyList<AdapterDelta> Deltas, Dictionary<ParameterName, Target> Targets)> _added = [];
    private readonly Checkpoint _base;

    /// <param name="base">What the adapters are planned for.</param>
    /// <param name="requantises">Whether tensors of Q8_0 may be changed.</param>
    public EditPlanner(Checkpoint @base, bool requantises = false)
    {
        _base = @base;
        _notes = new();
        _edits = new(@base, _notes, requantises);
        _replacements = new(@base, _edits, _notes);
        _updates = new(@base, _edits, _notes);
    }

    /// <summary>Edits by the base's name of the tensor, or by the output's where the base has none.</summary>
    public IReadOnlyDictionary<string, TensorEdit> Edits => _edits.ByName;

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

    public void Add(Adapter adapter, AdapterInput input)
    {
        IReadOnlyList<AdapterDelta> deltas = Readings(adapter);
        ParameterName[] parameters = [.. adapter.Replacements.Select(r => r.Target).Concat(deltas.Select(d => d.Target)).Distinct()];
        HashSet<ParameterName> whole = [.. adapter.Replacements.Where(r => r is { Rows: null, Reason: "modules_to_save" }).Select(r => r.Target)];
        whole.ExceptWith(adapter.Replacements.Where(r => r.Rows is not null).Select(r => r.Target).Concat(deltas.Select(d => d.Target)));
        Dictionary<ParameterName, Target> targets = TargetMatch.Resolve(parameters, whole, _base);
        HashSet<ParameterName> optional = [.. deltas.Where(d => d.IsOptional).Select(d => d.Target)];
        foreach ((ParameterName parameter, Target target) in targets)
        {
            if (target.Miss is { } miss && !optional.Contains(parameter)) _notes.Miss($"{adapter.Path}: {miss}", parameter.Path);
        }

        _added.Add((adapter, input, deltas, targets));
        // Rows last: those of new tokens are there only when the whole has grown.
        foreach (Replacement given in adapter.Replacements.OrderBy(r => r.Rows is not null))
        {
            Target target = targets[given.Target];
            if (StoredOrder.Of(given, target) is not { } replacement)
            {
                _notes.Miss($"{adapter.Path}: {given.Target} {given.Values.Shape} is replaced in the adapter, and is not all rows of the {target.Heads} heads that the base has in another order", given.Target.Path);
                continue;
            }

            if (target.IsNew) _replacements.AddHead(adapter, input, replacement);
            if (target.Regrouped is { } weight)
            {
                _replacements.ReplaceParts(adapter, input, replacement, weight);
                continue;
            }

            if ((target.Place, target.Singles, target.Stacks) is not (null, null, null))
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

            if (tied && _base.Gguf is not null)
            {
                _notes.Miss($"{adapter.Path}: {replacement.Target} is replaced in the adapter, but the base has it as {tensor}, and a GGUF file gets no tensor that it lacks; merge into a base with output.weight", replacement.Target.Path);
                continue;
            }

            _replacements.Replace(adapter, input, replacement, tensor, tied);
        }
    }

    /// <summary>Adds the updates to what the replacements left, and checks what can only be seen when every adapter is there.</summary>
    public void Finish()
    {
        foreach ((Adapter adapter, AdapterInput input, IReadOnlyList<AdapterDelta> deltas, Dictionary<ParameterName, Target> targets) in _added)
        {
            _updates.Add(adapter, input, deltas, targets);
        }

        // Tensors for which there were only misses.
        foreach (TensorEdit edit in Edits.Values.Where(e => e.IsEmpty).ToArray())
        {
            _edits.Remove(edit);
            _replacements.Untied.Remove(edit.Name);
        }

        UntieStored();
        foreach ((string name, string partner) in _replacements.Untied)
        {
            Unties = true;
            _notes.Warn($"{name} becomes a tensor of its own: the base ties it to {partner}, and the adapter replaces it");
        }

        NewVocabularySize = Vocabulary.NewSize([.. Edits.Values], _base, _notes);
        if (Edits.Values.All(e => e.Base is not null)) return;
        var matches = _added.SelectMany(a => a.Targets.Where(t => t.Value is { Tensor: not null, TiedTo: false, Place: null }).Select(t => (t.Key.Path, t.Value.Tensor!)));
        NamePrefix = BodyPrefix.Missing([.. matches], _base.Tensors.Keys);
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

    private IReadOnlyList<AdapterDelta> Readings(Adapter adapter)
    {
        if (adapter.Deltas.All(d => d.Readings.Count == 1)) return adapter.Deltas;
        HashSet<ParameterName> possible = [.. adapter.Deltas.SelectMany(d => d.Readings).Select(r => r.Target)];
        Dictionary<ParameterName, Target> targets = TargetMatch.Resolve(possible, new HashSet<ParameterName>(), _base);
        return ParameterReadings.Choose(
            adapter.Deltas,
            reading => _updates.ShapeFor(reading, targets[reading.Target]) is { } shape && Orientations.Fits(reading, shape),
            open => _notes.Miss(
                $"{adapter.Path}: {open[0].Target.Module} has factors for {string.Join(" and ", open.Select(d => d.Target.Parameter))}, and their shapes fit more than one way; "
                + "it is not clear which are whose", open[0].Target.Path));
    }

    /// <summary>What is stored twice and changes once is two tensors; a loader that ties them would drop one.</summary>
    private void UntieStored()
    {
        if (TiedEmbeddings.StoredTwice(_base) is not var (input, output) || (!Edits.ContainsKey(input) && !Edits.ContainsKey(output))) return;
        if (SameValues.Are(_base.Tensors[input], _base.Tensors[output]))
        {
            Unties = true;
            _notes.Warn($"{output} and {input} are tied, but both stored: the output has them as two, and tie_word_embeddings false");
        }
        else if (Edits.ContainsKey(output))
        {
            _notes.Conflict($"{output} changes, but config.json ties it to {input}, and the base stores other values for it: one of the two is wrong", output);
        }
    }
}

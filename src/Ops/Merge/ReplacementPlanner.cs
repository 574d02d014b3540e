using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>What an adapter brings in full: new values for tensors, or for rows of them, and heads that the base lacks.</summary>
internal sealed class ReplacementPlanner(Checkpoint @base, TensorEdits edits, PlanNotes notes)
{
    /// <summary>Heads that the base ties to another tensor, and that are tensors of their own now, with that tensor.</summary>
    public Dictionary<string, string> Untied { get; } = new(StringComparer.Ordinal);

    /// <summary>A head for a new task, of which a base for another task has nothing.</summary>
    public void AddHead(Adapter adapter, AdapterInput input, Replacement replacement)
    {
        string name = replacement.Target.Path;
        if (input.Weight != 1)
        {
            notes.Miss($"{adapter.Path}: {name} is new, which has a meaning at weight 1 only, not at {PlanWords.Number(input.Weight)}", replacement.Target.Path);
        }
        else if (replacement.Values.DType.Bytes() == 0)
        {
            notes.Miss($"{adapter.Path}: {name} is new and stored as {replacement.Values.DType.FileName()}, which cannot be written", replacement.Target.Path);
        }
        else if (!@base.Components.Any(component => name.StartsWith(component.Prefix, StringComparison.Ordinal)))
        {
            notes.Miss($"{adapter.Path}: {name} is new, and of none of the pipeline's models ({string.Join(", ", @base.Components.Select(component => component.Name))})", replacement.Target.Path);
        }
        else if (edits.ByName.TryGetValue(name, out TensorEdit? other))
        {
            notes.Miss($"{adapter.Path}: {name} is new, and {other.Whole!.Adapter} brings it too", replacement.Target.Path);
        }
        else
        {
            TensorEdit edit = new(name, null, replacement.Values.DType, replacement.Values.Shape);
            edit.Replace(new(replacement.Values, 1, adapter.Path), replacement.Reason);
            edits.Add(edit);
            notes.Warn($"{name} {replacement.Values.Shape} is new: the base has no such module; config.json still describes the base (architectures, number of labels)");
        }
    }

    public void Replace(Adapter adapter, AdapterInput input, Replacement replacement, string tensor, bool tied)
    {
        if (replacement.Rows is { } rows)
        {
            ReplaceRows(adapter, input, replacement, rows, tensor);
            return;
        }

        TensorEdit edit = tied ? Untie(replacement.Target.Path, tensor) : edits.Of(tensor);
        bool sameShape = replacement.Values.Shape == edit.Shape;
        if (edits.IsScaled(tensor) || !CanTakePlace(replacement.Values.DType, edit.BaseType, input.Weight))
        {
            edits.MissQuantised(adapter, tensor, edit.BaseType);
        }
        else if (!sameShape && !Vocabulary.Resizes(edit.Name, edit.Shape, replacement.Values.Shape))
        {
            notes.Miss($"{adapter.Path}: {replacement.Target} is {replacement.Values.Shape} in the adapter, but {tensor} is {edit.Shape} in the base", replacement.Target.Path);
        }
        else if (!sameShape && input.Weight != 1)
        {
            notes.Miss(
                $"{adapter.Path}: {replacement.Target} has another size than {tensor} ({replacement.Values.Shape} for {edit.Shape}), " +
                $"which has a meaning at weight 1 only, not at {PlanWords.Number(input.Weight)}", replacement.Target.Path);
        }
        else if (Replacer(edit, adapter) is { } other)
        {
            notes.Miss($"{adapter.Path}: {replacement.Target} replaces {tensor}, which {other} replaces too", replacement.Target.Path);
        }
        else
        {
            edit.Replace(new(replacement.Values, input.Weight, adapter.Path), PlanWords.Weighted(replacement.Reason, input.Weight));
        }
    }

    /// <summary>New values of a weight whose rows the base has in several tensors, or in another order.</summary>
    public void ReplaceParts(Adapter adapter, AdapterInput input, Replacement replacement, RegroupedWeight weight)
    {
        if (replacement.Rows is null && weight.Part is null && RowPlacement.Of(weight, edits.Shape) is { } placement && placement.Weight == replacement.Values.Shape)
        {
            foreach (string tensor in weight.Tensors)
            {
                (long, long)[] runs = [.. placement.Blocks.Where(block => block.Tensor == tensor).OrderBy(block => block.First).Select(block => (block.FirstOfUpdate, block.Rows))];
                Replace(adapter, input, new(replacement.Target, RowsOfUpdate.Take(replacement.Values, runs), null, replacement.Reason), tensor, tied: false);
            }

            return;
        }

        notes.Miss(
            $"{adapter.Path}: {replacement.Target} is replaced in the adapter ({replacement.Values.Shape}), but the base has it as {string.Join(", ", weight.Tensors.Select(tensor => $"{tensor} {edits.Shape(tensor)}"))}; "
            + "expected all rows of these", replacement.Target.Path);
    }

    private void ReplaceRows(Adapter adapter, AdapterInput input, Replacement replacement, IReadOnlyList<long> rows, string tensor)
    {
        TensorEdit edit = edits.Of(tensor);
        if (!edit.BaseType.IsMergeable() || !replacement.Values.DType.IsMergeable() || edits.IsScaled(tensor))
        {
            edits.MissQuantised(adapter, tensor, edit.BaseType);
            return;
        }

        if (edit.Shape.Rank != 2 || replacement.Values.Shape.Rank != 2 || replacement.Values.Shape[1] != edit.Shape[1]
            || replacement.Values.Shape[0] != rows.Count)
        {
            notes.Miss(
                $"{adapter.Path}: {replacement.Target} brings rows {replacement.Values.Shape} for {rows.Count} tokens, but {tensor} is {edit.Shape} in the base", replacement.Target.Path);
            return;
        }

        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i] < 0 || rows[i] >= edit.Shape[0])
            {
                notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]}, but {tensor} has {edit.Shape[0]} rows", replacement.Target.Path);
            }
            else if (edit.Whole is { } whole && whole.Adapter != adapter.Path)
            {
                notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]} of {tensor}, which {whole.Adapter} replaces whole", replacement.Target.Path);
            }
            else if (edit.Rows.TryGetValue(rows[i], out WeightedRow other))
            {
                notes.Miss($"{adapter.Path}: {replacement.Target} replaces row {rows[i]} of {tensor}, which {other.Adapter} replaces too", replacement.Target.Path);
            }
            else
            {
                edit.ReplaceRow(rows[i], new(replacement.Values, i, input.Weight, adapter.Path));
            }
        }

        edit.Describe(PlanWords.Weighted($"{replacement.Reason} ({rows.Count} rows)", input.Weight));
    }

    private TensorEdit Untie(string wanted, string partner)
    {
        string name = TiedEmbeddings.HeadName(wanted, partner);
        if (edits.ByName.TryGetValue(name, out TensorEdit? existing)) return existing;
        StoredTensor source = @base.Tensors[partner];
        Untied.Add(name, partner);
        return edits.Add(new(name, null, source.DType, source.Shape));
    }

    private static bool CanTakePlace(DType type, DType of, double weight) =>
        (of.IsMergeable() && type.IsMergeable()) || (of == type && type.Bytes() > 0 && weight == 1);

    // Rows and the whole of an embedding may be replaced by one adapter, and then the rows are the whole's.
    private static string? Replacer(TensorEdit edit, Adapter adapter) =>
        edit.Whole?.Adapter ?? edit.Rows.Values.Select(r => r.Adapter).FirstOrDefault(path => path != adapter.Path);
}

using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>The number of words: everything that has one row or value for each must change its size together.</summary>
internal static class Vocabulary
{
    /// <summary>Whether values of another size may take a tensor's place: as many rows or biases as the new vocabulary has words.</summary>
    public static bool Resizes(string tensor, TensorShape from, TensorShape to) => from.Rank == to.Rank && (from.Rank switch
    {
        2 => (TiedEmbeddings.IsInput(tensor) || TiedEmbeddings.IsOutput(tensor)) && from[1] == to[1],
        1 => TiedEmbeddings.IsOutputBias(tensor),
        _ => false,
    });

    /// <summary>The new number of words; null where none of the edits changes it. Whatever keeps the old number is a conflict.</summary>
    public static long? NewSize(IReadOnlyCollection<TensorEdit> edits, Checkpoint @base, PlanNotes notes)
    {
        TensorEdit[] resized = [.. edits.Where(e => e.Shape != e.OldShape)];
        if (resized.Length == 0) return null;
        (TensorEdit first, long before, long after) = (resized[0], resized[0].OldShape[0], resized[0].Shape[0]);
        Dictionary<string, TensorEdit> byName = edits.ToDictionary(e => e.Name, StringComparer.Ordinal);
        IEnumerable<string> ofTheBase = @base.Tensors.Keys.Where(n => CountsWords(n, @base.Tensors[n].Shape, before));
        IEnumerable<string> added = edits.Where(e => e.Base is null && CountsWords(e.Name, e.OldShape, before)).Select(e => e.Name);
        foreach (string name in ofTheBase.Concat(added))
        {
            TensorShape shape = byName.TryGetValue(name, out TensorEdit? edit) ? edit.Shape : @base.Tensors[name].Shape;
            if (Words(name, shape) == after) continue;
            notes.Conflict(
                $"{first.Whole!.Adapter}: the vocabulary becomes {after} in {first.Name}, but {name} is {shape} " +
                "and the adapter brings no values of that size for it",
                name);
        }

        notes.Warn(
            $"the vocabulary changes from {before} to {after} rows: config.json is updated; " +
            "the tokenizer is the base's, take the adapter's if it added tokens");
        return after;
    }

    private static bool CountsWords(string name, TensorShape shape, long words) =>
        (TiedEmbeddings.IsInput(name) || TiedEmbeddings.IsOutput(name) || TiedEmbeddings.IsOutputBias(name) || IsLogitsBias(name))
        && shape.Rank > 0 && Words(name, shape) == words;

    // BART's and its children's, stored [1, words].
    private static bool IsLogitsBias(string name) => BaseNames.LastComponent(name) == "final_logits_bias";

    private static long Words(string name, TensorShape shape) => IsLogitsBias(name) ? shape[shape.Rank - 1] : shape[0];
}

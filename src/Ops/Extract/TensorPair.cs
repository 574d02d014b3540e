using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Extract;

/// <summary>One parameter in both models.</summary>
/// <param name="Name">Its name in both.</param>
/// <param name="Base">Before.</param>
/// <param name="Tuned">After.</param>
/// <param name="Role">What it is.</param>
internal sealed record TensorPair(string Name, StoredTensor Base, StoredTensor Tuned, TensorRole Role)
{
    /// <summary>How an adapter names it.</summary>
    public ParameterName Target => BaseNames.ParameterOf(Name);

    /// <summary>Whether the difference is one of real numbers: no integers, no 8-bit floats, whose scales lie elsewhere.</summary>
    public bool IsReal => IsFloat(Base.DType) && IsFloat(Tuned.DType);

    /// <summary>Tuned − base.</summary>
    public DifferenceRows Difference => new(Base, Tuned);

    /// <summary>Everything of two models that is wanted, ordered by name.</summary>
    /// <exception cref="TargetMismatchException">A tensor is in one of them only, or has another shape in each; all are listed.</exception>
    public static IReadOnlyList<TensorPair> Match(Checkpoint @base, Checkpoint tuned, NameFilter filter, bool vocabularyMayChange)
    {
        List<TensorPair> pairs = [];
        List<string> misses = [];
        string? first = null;
        foreach (string name in @base.Tensors.Keys.Union(tuned.Tensors.Keys, StringComparer.Ordinal).Where(filter.Takes).Order(StringComparer.Ordinal))
        {
            StoredTensor? before = @base.Tensors.GetValueOrDefault(name), after = tuned.Tensors.GetValueOrDefault(name);
            string? miss = before is null ? $"{Printable.Text(name)} is only in the tuned model"
                : after is null ? $"{Printable.Text(name)} is only in the base"
                : before.Shape == after.Shape || (vocabularyMayChange && Vocabulary.Resizes(name, before.Shape, after.Shape)) ? null
                : $"{Printable.Text(name)} is {before.Shape} in the base, {after.Shape} in the tuned model"
                    + (Vocabulary.Resizes(name, before.Shape, after.Shape) ? " (a vocabulary of another size can be carried in full only: --full embeddings)" : "");
            if (miss is null)
            {
                TensorRole role = TensorRoles.Of(BaseNames.Modern(name), before!.Shape, n => @base.Tensors.GetValueOrDefault(n)?.Shape);
                pairs.Add(new(name, before, after!, role));
                continue;
            }

            first ??= name;
            misses.Add(miss);
        }

        if (misses.Count == 0) return pairs;
        string more = misses.Count == 1 ? "" : $" (and {misses.Count - 1} more)";
        throw new TargetMismatchException(
            $"{Printable.Text(@base.Path)} and {Printable.Text(tuned.Path)} are not of one model: {misses[0]}{more}; name the base that was tuned, or leave tensors out with --exclude",
            misses, tuned.Path, first);
    }

    /// <summary>Those that changed, in order.</summary>
    public static IReadOnlyList<TensorPair> Changed(
        IReadOnlyList<TensorPair> pairs, int threads, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        bool[] changed = ModuleLoop.Run(pairs, pair => pair.IsChanged(cancellation), pair => pair.Tuned.Info.ByteLength, pair => pair.Name, threads, progress, cancellation);
        return [.. pairs.Where((_, i) => changed[i])];
    }

    private bool IsChanged(CancellationToken cancellation)
    {
        if (SameValues.Are(Base, Tuned)) return false;
        return Base.Shape != Tuned.Shape || Base.DType == Tuned.DType || !IsReal || Difference.Any(cancellation);
    }

    private static bool IsFloat(DType type) => type is DType.F16 or DType.BF16 or DType.F32 or DType.F64;
}

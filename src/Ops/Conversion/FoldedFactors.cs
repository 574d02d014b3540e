using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion;

/// <summary>An adapter as its layout folds it, what that computed rounded once where its own element type says to which; a type that was named, <see cref="CastFactors"/> rounds to.</summary>
internal static class FoldedFactors
{
    /// <param name="adapter">In the layout that is written.</param>
    /// <param name="type">The element type of what is computed.</param>
    /// <param name="count">How many updates came out otherwise.</param>
    public static Adapter Of(Adapter adapter, FactorType type, out int count)
    {
        count = 0;
        Adapter folded = AdapterLayouts.Named(adapter.Layout).Fold(adapter);
        if (ReferenceEquals(folded, adapter)) return adapter;
        HashSet<TensorValue> before = new(adapter.Deltas.SelectMany(delta => delta.Tensors), ReferenceEqualityComparer.Instance);
        count = folded.Deltas.Count(delta => delta.Tensors.Any(tensor => !before.Contains(tensor)));
        if (type.Fixed() is not null) return folded;
        Dictionary<ParameterName, AdapterDelta> sources = [];
        foreach (AdapterDelta delta in adapter.Deltas) sources.TryAdd(delta.Target, delta);
        return new Adapter(folded.Path, folded.Layout, file: null)
        {
            Deltas = [.. folded.Deltas.Select(delta => delta is LowRankDelta lora ? Rounded(lora, sources.GetValueOrDefault(delta.Target) as LowRankDelta, before, type) : delta)],
            Replacements = folded.Replacements,
            LayerReplication = folded.LayerReplication,
            Config = folded.Config,
            Metadata = folded.Metadata,
            BaseModules = folded.BaseModules,
        };
    }

    private static LowRankDelta Rounded(LowRankDelta folded, LowRankDelta? source, HashSet<TensorValue> before, FactorType type)
    {
        TensorValue down = Round(folded.Down, source?.Down), up = Round(folded.Up, source?.Up);
        return ReferenceEquals(down, folded.Down) && ReferenceEquals(up, folded.Up) ? folded : folded.With(down, up, folded.Scale, folded.Alpha);

        TensorValue Round(TensorValue value, TensorValue? of) => value is not ComputedTensor { DType: DType.F64 } || before.Contains(value)
            ? value
            : FactorStore.Store(folded.Target.Path, value.Shape, value.ToDoubles(), of?.DType ?? DType.F32, type);
    }
}

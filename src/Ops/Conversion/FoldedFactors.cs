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
        return folded.WithDeltas([.. folded.Deltas.Select(delta => Rounded(delta, sources.GetValueOrDefault(delta.Target)))]);

        AdapterDelta Rounded(AdapterDelta delta, AdapterDelta? source) => delta switch
        {
            LowRankDelta lora => Factors(lora, (source as LowRankDelta)?.Down, (source as LowRankDelta)?.Up),
            MagnitudeDelta { Inner: LowRankDelta } dora => dora.With(Rounded(dora.Inner, (source as MagnitudeDelta)?.Inner)),
            ExpertsDelta experts => experts.With(Round(delta, experts.Down, experts.Up), Round(delta, experts.Up, experts.Down), experts.Scale, experts.Alpha),
            _ => delta,
        };

        LowRankDelta Factors(LowRankDelta delta, TensorValue? sourceDown, TensorValue? sourceUp)
        {
            TensorValue down = Round(delta, delta.Down, sourceDown), up = Round(delta, delta.Up, sourceUp);
            return ReferenceEquals(down, delta.Down) && ReferenceEquals(up, delta.Up) ? delta : delta.With(down, up, delta.Scale, delta.Alpha);
        }

        TensorValue Round(AdapterDelta delta, TensorValue value, TensorValue? source) => value is not ComputedTensor { DType: DType.F64 } || before.Contains(value)
            ? value
            : FactorStore.Store(delta.Target.Path, value.Shape, value.ToDoubles(), source is null or ComputedTensor { DType: DType.F64 } ? DType.F32 : source.DType, type);
    }
}

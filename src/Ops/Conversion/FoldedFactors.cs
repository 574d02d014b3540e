using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion;

/// <summary>An adapter as its layout folds it, what that computed rounded once to the element type that was asked for.</summary>
internal static class FoldedFactors
{
    /// <param name="adapter">In the layout that is written.</param>
    /// <param name="type">The element type of what is computed.</param>
    public static Adapter Of(Adapter adapter, FactorType type)
    {
        Adapter folded = AdapterLayouts.Named(adapter.Layout).Fold(adapter);
        if (ReferenceEquals(folded, adapter)) return adapter;
        HashSet<TensorValue> before = new(adapter.Deltas.SelectMany(delta => delta.Tensors), ReferenceEqualityComparer.Instance);
        Dictionary<ParameterName, AdapterDelta> sources = [];
        foreach (AdapterDelta delta in adapter.Deltas) sources.TryAdd(delta.Target, delta);
        return new Adapter(folded.Path, folded.Layout, file: null)
        {
            Deltas = [.. folded.Deltas.Select(delta => delta is LowRankDelta lora ? Rounded(lora, sources.GetValueOrDefault(delta.Target) as LowRankDelta, before, type) : Rounded(delta, sources.GetValueOrDefault(delta.Target), type))],
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

    /// <summary>Of other kinds, one tensor is what a layout folds into: a first factor, or all that there is.</summary>
    private static AdapterDelta Rounded(AdapterDelta folded, AdapterDelta? source, FactorType type)
    {
        if (source is null || ReferenceEquals(folded, source)) return folded;
        return folded switch
        {
            MagnitudeDelta dora => new MagnitudeDelta(Rounded(dora.Inner, (source as MagnitudeDelta)?.Inner, type), dora.Magnitude, dora.Axis, dora.Norm, dora.Epsilon),
            DenseDelta dense => new DenseDelta(dense.Target, Round(dense.Values), dense.Scale),
            Ia3Delta ia3 => new Ia3Delta(ia3.Target, Round(ia3.Factors), ia3.ByInput) { IsChange = ia3.IsChange, Orientation = ia3.Orientation, SquareIsInOut = ia3.SquareIsInOut, IsOptional = ia3.IsOptional },
            LohaDelta loha => new LohaDelta(loha.Target, (Round(loha.First.Up), loha.First.Down), loha.Second, loha.Scale, loha.Alpha),
            LokrDelta lokr => new LokrDelta(lokr.Target, lokr.First with { Up = Round(lokr.First.Up) }, lokr.Second, lokr.Scale, lokr.Alpha) { IsInnermost = lokr.IsInnermost },
            _ => folded,
        };

        TensorValue Round(TensorValue value) => value is not ComputedTensor { DType: DType.F64 }
            ? value
            : FactorStore.Store(folded.Target.Path, value.Shape, value.ToDoubles(), source.Tensors[0].DType, type);
    }
}

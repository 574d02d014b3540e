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
        return folded.WithDeltas([.. folded.Deltas.Select(Rounded)]);

        AdapterDelta Rounded(AdapterDelta delta)
        {
            if (!delta.Tensors.Any(IsComputed)) return delta;
            IReadOnlyList<TensorValue> own = delta.Tensors, source = sources.GetValueOrDefault(delta.Target)?.Tensors ?? own;
            return delta.WithTensors(value => IsComputed(value) ? FactorStore.Store(delta.Target.Path, value.Shape, value.ToDoubles(), TypeOf(value), type) : value) ?? delta;

            // The type that the tensor in its place had, else its neighbours'.
            DType TypeOf(TensorValue value)
            {
                int place = own.Count == source.Count ? own.ToList().FindIndex(tensor => ReferenceEquals(tensor, value)) : 0;
                return source.Skip(place).Concat(source).FirstOrDefault(tensor => !IsComputed(tensor))?.DType ?? DType.F32;
            }
        }

        bool IsComputed(TensorValue value) => value is ComputedTensor { DType: DType.F64 } && !before.Contains(value);
    }
}

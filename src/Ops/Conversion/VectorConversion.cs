using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// Updates of biases and norms, which have no factors: of the bias beside factors as its own update (scaled like them); of any other, base and
/// update together as the new value.
/// </summary>
internal static class VectorConversion
{
    /// <summary>The update of a bias whose module has factors.</summary>
    /// <param name="update">The bias's.</param>
    /// <param name="module">The module's, as it is in the result.</param>
    /// <param name="type">The element type that was asked for; one that is named, <see cref="CastFactors"/> rounds to.</param>
    public static DenseDelta Bias(PlannedUpdate update, LowRankDelta module, FactorType type)
    {
        if (update.Delta is DenseDelta kept && kept.Target == update.Target && kept.Scale == module.Scale) return kept;
        double[] values = Values(update);
        DType source = type.Fixed() is null ? update.SourceType : DType.F64;
        // One alpha serves both. At scale 0 there is no bias that it could serve, as the layout will say.
        if (module.Scale == 0) return new DenseDelta(update.Target, Store(update, values, source), 1);
        for (int i = 0; i < values.Length; i++) values[i] /= module.Scale;
        return new DenseDelta(update.Target, Store(update, values, source), module.Scale);
    }

    /// <summary>The new value of what has no update in the result.</summary>
    /// <param name="update">What changes it; its place is known.</param>
    /// <param name="isNorm">Whether its module's weight is replaced too.</param>
    public static Replacement Full(PlannedUpdate update, bool isNorm)
    {
        double[] values = Values(update);
        double[] before = new double[values.Length];
        IBaseRows @base = update.Place!.Read(out IDisposable stored);
        using (stored) @base.Read(0, before.Length, before);
        for (int i = 0; i < values.Length; i++) values[i] += before[i];
        return Full(update, isNorm, Store(update, values, update.Place.Edit.BaseType));
    }

    /// <summary>The same with values that are at hand.</summary>
    public static Replacement Full(PlannedUpdate update, bool isNorm, TensorValue values) =>
        new(update.Target, values, rows: null, update.Target.Parameter == "bias" && !isNorm ? "bias" : "modules_to_save");

    private static double[] Values(PlannedUpdate update)
    {
        using UpdateRows rows = update.Rows(out IDisposable? @base);
        using IDisposable? disposable = @base;
        return rows.ReadAll();
    }

    private static ComputedTensor Store(PlannedUpdate update, double[] values, DType source) =>
        FactorStore.Store(update.Target.Path, update.Weight, values, source, FactorType.Exact);
}

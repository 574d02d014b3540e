using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Conversion;

/// <summary>How each update of an adapter comes out, by its kind and shapes alone; and what has to be given for it, all at once.</summary>
internal static class PlannedUpdates
{
    private const int MostListed = 5;

    /// <exception cref="UnsupportedException">Kinds that need the base, which is not there; or what plain LoRA cannot say without it.</exception>
    /// <exception cref="InvalidOptionException">Updates without an exact form, and no bound that says how closely to take them.</exception>
    public static IReadOnlyList<PlannedUpdate> Of(Adapter adapter, ConvertOptions options, BaseTargets? @base, ResultNames names)
    {
        // A base that lacks the bias of an optional update has nothing to be updated.
        AdapterDelta[] deltas = [.. adapter.Deltas.Where(d => @base is null || !d.IsOptional || @base.Of(d) is not null)];
        Predicate<AdapterDelta> holds = AdapterLayouts.Named(options.Layout).HoldsOf(adapter);
        bool isBounded = (options.Rank ?? options.Energy ?? options.MaxError) is not null;
        // A bound asks for plain LoRA; what is that already, and what is no matrix, stays.
        bool IsKept(AdapterDelta delta) => holds(delta) && names.Regrouping?.NeedsFactors(delta) != true
            && (!isBounded || delta is LowRankDelta or SparseResidualDelta or DenseDelta { Values.Shape.Rank: 1 });
        if (@base is null) RequireBase(adapter, [.. deltas.Where(d => !IsKept(d) && (d.NeedsBase || d.Shape is null))]);
        PlannedUpdate[] updates = [.. deltas.Select(d => new PlannedUpdate(d, names.Of(d), @base?.Of(d), ConvertedForm.Kept))];
        HashSet<ModuleName> biased = Biased(updates, @base is not null);
        PlannedUpdate[] planned = [.. updates.Select(u => u with { Form = IsKept(u.Delta) ? ConvertedForm.Kept : FormOf(u, options, biased) })];
        RefuseVectors(adapter, [.. planned.Where(u => u is { Form: ConvertedForm.Full, Place: null })]);
        RequireBound(adapter, options, [.. planned.Where(u => u is { Form: ConvertedForm.Truncated, Exact: null })]);
        return planned;
    }

    /// <summary>
    /// Modules whose bias has an update beside factors. That is one switch for all modules, and PEFT does not merge it into a module that has no bias: where
    /// some would be without, and the base is at hand, biases become new values.
    /// </summary>
    private static HashSet<ModuleName> Biased(PlannedUpdate[] updates, bool hasBase)
    {
        // What only the base's shape would tell is kept as it is.
        updates = [.. updates.Where(u => u.Place is not null || u.Delta.Shape is not null)];
        HashSet<ModuleName> factored = [.. updates.Where(u => u is { Target.Parameter: "weight", Delta.RowDimensions: 1, Weight.Rank: > 1, IsEmbedding: false }).Select(u => u.Target.Module)];
        HashSet<ModuleName> biased = [.. updates.Where(u => u is { Target.Parameter: "bias", Weight.Rank: 1 }).Select(u => u.Target.Module).Where(factored.Contains)];
        return hasBase && biased.Count < factored.Count ? [] : biased;
    }

    private static ConvertedForm FormOf(PlannedUpdate update, ConvertOptions options, HashSet<ModuleName> biased)
    {
        // A stack of experts is no matrix; whether the layout has it is for the layout to say.
        if (update.Delta.RowDimensions > 1) return ConvertedForm.Kept;
        if (update.Weight.Rank < 2) return update.Target.Parameter == "bias" && biased.Contains(update.Target.Module) ? ConvertedForm.Bias : ConvertedForm.Full;
        bool isBounded = (options.Energy ?? options.MaxError) is not null;
        return update.Exact is { } exact && !isBounded && exact.Down.Shape[0] <= Math.Min(update.FullRank, options.Rank ?? long.MaxValue)
            ? ConvertedForm.Exact
            : ConvertedForm.Truncated;
    }

    private static void RequireBase(Adapter adapter, AdapterDelta[] needing)
    {
        if (needing.Length == 0) return;
        IEnumerable<string> kinds = needing.GroupBy(Word).Select(kind => $"{kind.Count()} of kind {kind.Key} ({Names(kind.Select(d => d.Target))})");
        throw new UnsupportedException(
            $"{Printable.Text(adapter.Path)}: {needing.Length} of its updates depend on the base's weights: {string.Join(", ", kinds)}; name the base with --base",
            adapter.Path, needing[0].Target.Label);
    }

    private static void RefuseVectors(Adapter adapter, PlannedUpdate[] vectors)
    {
        if (vectors.Length == 0) return;
        throw new UnsupportedException(
            $"{Printable.Text(adapter.Path)}: plain LoRA has no update for {vectors.Length} of its parameters ({Names(vectors.Select(u => u.Delta.Target))}); "
            + "name the base with --base, and their new values are written whole",
            adapter.Path, vectors[0].Delta.Target.Path);
    }

    private static void RequireBound(Adapter adapter, ConvertOptions options, PlannedUpdate[] dense)
    {
        if (dense.Length == 0 || (options.Rank ?? options.Energy ?? options.MaxError) is not null) return;
        IEnumerable<string> kinds = dense.GroupBy(u => Word(u.Delta)).Select(kind => $"{kind.Count()} of kind {kind.Key} ({Names(kind.Select(u => u.Delta.Target))})");
        throw new InvalidOptionException(
            $"{Printable.Text(adapter.Path)}: {dense.Length} of its updates have no exact low-rank form, and are of full rank: {string.Join(", ", kinds)}; "
            + "say how closely to take them with --rank, --energy or --max-error");
    }

    private static string Word(AdapterDelta delta) => delta.Facts.Dora ? "dora" : delta.Kind;

    private static string Names(IEnumerable<ParameterName> targets)
    {
        string[] names = [.. targets.Select(t => Printable.Text(t.Label)).Distinct()];
        return string.Join(", ", names.Take(MostListed)) + (names.Length > MostListed ? ", …" : "");
    }
}

using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// convert: the same update in another layout, every kind of it as plain LoRA: exactly where it has factors, else the nearest of a lower rank,
/// with the error that it has. See spec/algebra.md, "To low rank".
/// </summary>
public sealed class ConvertPlan : IDisposable
{
    private readonly Adapter _adapter;
    private readonly Checkpoint? _base;
    private readonly BaseFacts? _known;
    private readonly BaseTargets? _targets;
    private readonly IReadOnlyList<PlannedUpdate> _updates;
    private readonly ResultNames _names;
    private readonly RenameMap? _renames;

    private ConvertPlan(ConvertOptions options, Adapter adapter, Checkpoint? @base, BaseFacts? known)
    {
        (Options, _adapter, _base, _known) = (options, adapter, @base, known);
        _targets = @base is null ? null : new BaseTargets(adapter, ReplicatedBase.Of(@base, [adapter]));
        _names = ResultNames.Of(adapter, options.Layout, options.Architecture, _targets);
        _renames = options.Rename is { } renames ? new RenameMap(renames) : null;
        _updates = PlannedUpdates.Of(adapter, options, _targets, _names);
        Modules = [.. _updates.Select(u => u.Outline)];
        // What the layout cannot say shows before anything is computed: a rank is all that is not known.
        Adapter outline = Result(
            u => u.Form == ConvertedForm.Kept ? u.Kept : u.With(Zeros(u.DownShape(1)), Zeros(u.UpShape(1)), 1),
            (u, module) => new DenseDelta(u.Target, Zeros(u.Weight), module.Scale),
            (u, isNorm) => VectorConversion.Full(u, isNorm, Zeros(u.Weight)),
            withValues: false, out IReadOnlyList<WrittenModule> written);
        Written = written;
        IAdapterLayout layout = AdapterLayouts.Named(options.Layout);
        outline = layout.Fold(outline);
        AdapterLayouts.CheckOutput(options.Output.Path, layout, layout.Write(outline, options.Output.Path).IsSingleFile, SaveOptions);
    }

    /// <summary>What was asked.</summary>
    public ConvertOptions Options { get; }

    /// <summary>The layout it was read by.</summary>
    public string Layout => _adapter.Layout;

    /// <summary>Whose modules they are; null where the names did not have to change, or the base has them.</summary>
    public string? Architecture => _names.Regrouping?.Architecture.Name;

    /// <summary>Every update, in the file's order.</summary>
    public IReadOnlyList<ConvertedModule> Modules { get; }

    /// <summary>Every module of the result, in its order; of a weight that comes apart all parts, though one without an update will not be written.</summary>
    public IReadOnlyList<WrittenModule> Written { get; }

    /// <summary>What is odd about the adapter.</summary>
    public IReadOnlyList<AdapterIssue> Issues => _adapter.Issues;

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings => [.. _base?.Warnings ?? [], .. _targets?.Warnings ?? [], .. _names.Warnings];

    private AdapterSaveOptions SaveOptions => new()
    {
        Overwrite = Options.Output.Overwrite,
        Flush = Options.Output.Flush,
        Inputs = [Options.Adapter.Path, .. new[] { Options.Base, Options.Rename }.OfType<string>()],
    };

    /// <summary>Reads the adapter's names and shapes, and the base's, and decides how each update comes out. Writes nothing.</summary>
    /// <exception cref="LoraKitException">Anything that would stop the conversion and can be seen before values are read.</exception>
    public static ConvertPlan Create(ConvertOptions options)
    {
        Check(options);
        Adapter? adapter = null;
        Checkpoint? @base = null;
        try
        {
            BaseFacts? facts = options.Base is null ? null : BaseFacts.Find(options.Base);
            BaseFacts? known = options.Adapter.Known(options.Architecture is null ? facts : new BaseFacts { Architecture = options.Architecture }.Or(facts ?? new()));
            adapter = options.Adapter.Open(known, options.From);
            // A configuration alone says all that some layouts need.
            @base = options.Base is null || (facts is not null && BaseFacts.AreAll(options.Base)) ? null : Checkpoint.Open(options.Base);
            return new ConvertPlan(options, adapter, @base, known);
        }
        catch
        {
            adapter?.Dispose();
            @base?.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the small decompositions run.</param>
    /// <param name="progress">Told after every module, from any thread.</param>
    /// <param name="cancellation">Stops it between tiles.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ConvertReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        CarriedValues.RequireFinite(
            [.. _updates.Where(u => u.Form == ConvertedForm.Kept).SelectMany(u => u.Delta.Tensors), .. _adapter.Replacements.Select(r => r.Values)], Options.Threads, cancellation);
        PlannedUpdate[] computed = [.. _updates.Where(u => u.Form is ConvertedForm.Exact or ConvertedForm.Truncated).OrderByDescending(Elements)];
        int threads = Options.Threads > 0 ? Options.Threads : Environment.ProcessorCount;
        int atOnce = (int)Math.Clamp(Options.MemoryBytes / computed.Select(WorkingBytes).DefaultIfEmpty(1).Max(), 1, Math.Min(threads, Math.Max(1, computed.Length)));
        RoundingLosses losses = new();
        LowRankConversion conversion = new(Options, threads / atOnce, compute, losses, cancellation);
        ConvertedUpdate[] converted = ModuleLoop.Run(computed, conversion.Run, Elements, u => u.Target.Label, atOnce, progress, cancellation);

        Dictionary<PlannedUpdate, ConvertedUpdate> byUpdate = computed.Zip(converted).ToDictionary(pair => pair.First, pair => pair.Second);
        Adapter result = Result(
            u => byUpdate.GetValueOrDefault(u)?.Delta ?? u.Kept, (u, module) => VectorConversion.Bias(u, module, Options.Output.ElementType), VectorConversion.Full,
            withValues: true, out IReadOnlyList<WrittenModule> written);
        result = CastFactors.Of(FoldedFactors.Of(result, Options.Output.ElementType, out int folded), Options.Output.ElementType, losses);
        long bytes = AdapterLayouts.Save(result, Options.Output.Path, SaveOptions, cancellation);
        double energy = converted.Sum(c => c.Energy);
        return new ConvertReport
        {
            Output = Options.Output.Path,
            Modules = [.. _updates.Select(u => byUpdate.GetValueOrDefault(u)?.Report ?? u.Outline)],
            RelativeError = energy == 0 ? 0 : Math.Sqrt(converted.Sum(c => c.Residual) / energy),
            Written = written,
            Folded = folded,
            Metadata = AdapterLayouts.MetadataOf(Options.Output.Path),
            Flushed = losses.Flushed,
            Subnormal = losses.Subnormal,
            BytesWritten = bytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
            Warnings = [.. ConvertWarnings.Of(Options, computed, converted, losses)],
        };
    }

    /// <summary>Closes the adapter and the base.</summary>
    public void Dispose()
    {
        _adapter.Dispose();
        _base?.Dispose();
    }

    private static long Elements(PlannedUpdate update) => update.Matrix.Rows * update.Matrix.Columns;

    private static ComputedTensor Zeros(TensorShape shape) => new("outline", DType.F32, shape, (_, bytes) => bytes.Clear());

    private static void Check(ConvertOptions options)
    {
        AdapterLayouts.Named(options.Layout);
        ResultMetadata.Check(options);
        if (options.MemoryBytes <= 0) throw new InvalidOptionException($"the memory cap is {options.MemoryBytes} bytes; expected more than 0");
        if ((options.Rank ?? options.Energy ?? options.MaxError) is null) return;
        options.Sketching.Check();
    }

    private long WorkingBytes(PlannedUpdate update)
    {
        (long rows, long columns) = update.Matrix;
        long work = update.Exact is { } exact ? sizeof(double) * exact.Down.Shape[0] * 3 * (rows + columns) : RandomizedSvd.WorkingBytes(rows, columns, Options.Sketching);
        return update is { Place.IsInOut: true, Delta.NeedsBase: true } ? work + (sizeof(double) * rows * columns) : work;
    }

    private Adapter Result(
        Func<PlannedUpdate, AdapterDelta> matrix, Func<PlannedUpdate, LowRankDelta, AdapterDelta> bias, Func<PlannedUpdate, bool, Replacement> full, bool withValues,
        out IReadOnlyList<WrittenModule> written)
    {
        PlannedUpdate[] vectors = [.. _updates.Where(u => u.Form is ConvertedForm.Bias or ConvertedForm.Full)];
        Dictionary<PlannedUpdate, AdapterDelta> deltas = _updates.Except(vectors).ToDictionary(u => u, matrix);
        Dictionary<ModuleName, LowRankDelta> modules = [];
        foreach (LowRankDelta module in deltas.Values.OfType<LowRankDelta>()) modules.TryAdd(module.Target.Module, module);
        foreach (PlannedUpdate update in vectors.Where(u => u.Form == ConvertedForm.Bias)) deltas.Add(update, bias(update, modules[update.Target.Module]));
        HashSet<ModuleName> norms = [.. vectors.Where(u => u is { Form: ConvertedForm.Full, Target.Parameter: not "bias" }).Select(u => u.Target.Module)];
        Replacement[] values = [.. vectors.Where(u => u.Form == ConvertedForm.Full).Select(u => full(u, norms.Contains(u.Target.Module)))];
        HashSet<ParameterName> replaced = [.. values.Select(r => r.Target)];
        IReadOnlyList<Replacement> carried = _names.Of(_adapter.Replacements);
        AdapterDelta[] updates = [.. _updates.Where(deltas.ContainsKey).Select(u => deltas[u])];
        bool isConverted = _updates.Any(u => u.Form != ConvertedForm.Kept && u.Delta is not DenseDelta);
        Adapter result = new(_adapter.Path, Options.Layout, file: null)
        {
            Deltas = _names.Regrouping?.Apply(updates, Options.Output.ElementType, withValues) ?? updates,
            // A full value is made of what replaces the base's, and takes its place.
            Replacements = [.. carried.Where(r => r.Rows is not null || !replaced.Contains(r.Target)), .. values],
            LayerReplication = _adapter.LayerReplication,
            Config = ResultConfig.Of(_adapter, Options.Layout, _names.Regrouping?.Architecture, isConverted),
            Metadata = ResultMetadata.Of(_adapter, Options, _names.Regrouping?.Architecture, isConverted),
            BaseModules = _targets?.Modules,
            Base = _adapter.Base ?? _known,
        };
        IReadOnlyDictionary<ModuleName, ModuleName> renamed = _renames?.Of(ResultNames.Modules(result)) ?? new Dictionary<ModuleName, ModuleName>();
        written = _names.Written(_adapter, result, renamed);
        return Renamed(result, renamed);
    }

    private static Adapter Renamed(Adapter result, IReadOnlyDictionary<ModuleName, ModuleName> names) => names.Count == 0 ? result : new(result.Path, result.Layout, file: null)
    {
        Deltas = [.. result.Deltas.Select(delta => names.TryGetValue(delta.Target.Module, out ModuleName name) ? delta.Renamed(delta.Target with { Module = name }) : delta)],
        Replacements =
        [
            .. result.Replacements.Select(r => names.TryGetValue(r.Target.Module, out ModuleName name) ? new Replacement(r.Target with { Module = name }, r.Values, r.Rows, r.Reason) : r),
        ],
        LayerReplication = result.LayerReplication,
        Config = result.Config,
        Metadata = result.Metadata,
        BaseModules = result.BaseModules,
        Base = result.Base,
    };
}

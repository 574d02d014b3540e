using System.Diagnostics;
using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;
using LoraKit.Ops.Targets;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Extract;

/// <summary>
/// extract: B·A ≈ ΔW = tuned − base, matrix by matrix, so that merging the adapter into the base gives the tuned model back within the
/// error that is reported. See spec/algebra.md, "extract".
/// </summary>
public sealed class ExtractPlan : IDisposable
{
    private readonly Checkpoint _base;
    private readonly Checkpoint _tuned;
    private readonly IReadOnlyList<TensorPair> _matrices;
    private readonly IReadOnlyList<TensorPair> _full;
    private readonly IReadOnlyList<string> _leftOut;

    private ExtractPlan(ExtractOptions options, Checkpoint @base, Checkpoint tuned, int total, IReadOnlyList<TensorPair> changed)
    {
        (Options, _base, _tuned) = (options, @base, tuned);
        Skipped = total - changed.Count;
        _full = [.. changed.Where(p => IsFull(p.Role, options.Full))];
        _matrices = [.. changed.Where(p => !IsFull(p.Role, options.Full) && p.Role is TensorRole.Matrix or TensorRole.Head or TensorRole.Embedding)];
        _leftOut = [.. changed.Except(_full).Except(_matrices).Select(p => p.Name)];
    }

    /// <summary>What was asked.</summary>
    public ExtractOptions Options { get; }

    /// <summary>Matrices and kernels that become low-rank updates, ordered by name.</summary>
    public IReadOnlyList<string> Modules => [.. _matrices.Select(p => p.Name)];

    /// <summary>Tensors that are carried in full, ordered by name.</summary>
    public IReadOnlyList<string> Full => [.. _full.Select(p => p.Name)];

    /// <summary>Tensors that changed and are not carried.</summary>
    public IReadOnlyList<string> LeftOut => _leftOut;

    /// <summary>How many of the wanted tensors did not change.</summary>
    public int Skipped { get; }

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings =>
    [
        .. _base.Warnings, .. _tuned.Warnings,
        .. _leftOut.Count == 0 ? (string[])[] :
        [
            $"{_leftOut.Count} changed {(_leftOut.Count == 1 ? "tensor is" : "tensors are")} left out, so that the adapter does not bring all of the tuning: {string.Join(", ", _leftOut.Take(5).Select(Printable.Text))}"
            + $"{(_leftOut.Count > 5 ? ", …" : "")}; --full carries norms, biases and embeddings",
        ],
    ];

    /// <summary>Opens both models, pairs their tensors and finds those that changed. Writes nothing.</summary>
    /// <param name="options">What to extract.</param>
    /// <param name="progress">Told after every tensor that was compared, from any thread.</param>
    /// <param name="cancellation">Stops between tensors.</param>
    /// <exception cref="LoraKitException">Anything that would stop the extraction and can be seen before it is computed.</exception>
    public static ExtractPlan Create(ExtractOptions options, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sketching(options).Check();
        if (options.MemoryBytes <= 0) throw new InvalidOptionException($"the memory cap is {options.MemoryBytes} bytes; expected more than 0");
        NameFilter filter = new(options.Include, options.Exclude);
        if (AdapterLayouts.Named(options.Layout).Name != "peft")
        {
            throw new InvalidOptionException($"extract writes peft, not {options.Layout}; convert the adapter afterwards");
        }

        Checkpoint? @base = null, tuned = null;
        try
        {
            @base = Checkpoint.Open(options.Base);
            tuned = Checkpoint.Open(options.Tuned);
            if ((@base.Gguf ?? tuned.Gguf) is { } gguf)
                throw new UnsupportedException($"{Printable.Text(gguf.Path)}: is a GGUF file, which adapters are not taken from: they have Hugging Face's names; name the models in its files", gguf.Path);
            AdapterLayouts.CheckOutput(options.Output.Path, AdapterLayouts.Named(options.Layout), isSingleFile: false, Saving(options));
            IReadOnlyList<TensorPair> pairs = TensorPair.Match(@base, tuned, filter, options.Full.HasFlag(FullParameters.Embeddings));
            IReadOnlyList<TensorPair> changed = TensorPair.Changed(pairs, options.Threads, progress, cancellation);
            RefuseQuantised(tuned, changed);
            ExtractPlan plan = new(options, @base, tuned, pairs.Count, changed);
            return plan._matrices.Count + plan._full.Count > 0 ? plan : throw Nothing(options, plan._leftOut.Count);
        }
        catch
        {
            @base?.Dispose();
            tuned?.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the small decompositions run.</param>
    /// <param name="progress">Told after every module, from any thread.</param>
    /// <param name="cancellation">Stops it between tiles.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ExtractReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        RequireFinite(cancellation);
        int threads = Options.Threads > 0 ? Options.Threads : Environment.ProcessorCount;
        int atOnce = ModulesAtOnce(threads);
        MatrixExtraction extraction = new(
            Sketching(Options) with { Threads = threads / atOnce }, Options.Output.ElementType, new BiasOrientations(_base), compute, cancellation);
        // The largest first: at the end, all threads have small ones.
        TensorPair[] order = [.. _matrices.OrderByDescending(p => p.Tuned.Info.ByteLength)];
        ExtractedMatrix?[] results = ModuleLoop.Run(order, extraction.Run, p => p.Tuned.Info.ByteLength, p => p.Name, atOnce, progress, cancellation);
        ExtractedMatrix[] matrices = [.. results.OfType<ExtractedMatrix>().OrderBy(m => m.Report.Name, StringComparer.Ordinal)];
        if (matrices.Length + _full.Count == 0) throw Nothing(Options, _leftOut.Count);

        using Adapter adapter = new(Options.Output.Path, Options.Layout, file: null)
        {
            Deltas = [.. matrices.Select(m => m.Delta)],
            Replacements = [.. _full.Select(p => new Replacement(p.Target, p.Tuned, rows: null, p.Role == TensorRole.Bias ? "bias" : "modules_to_save"))],
            Config = new AdapterConfig(Config(matrices)),
            BaseModules = BaseNames.ModulesOf(_base.Tensors.Keys),
        };
        long bytes = AdapterLayouts.Save(adapter, Options.Output.Path, Saving(Options), cancellation);
        double energy = matrices.Sum(m => m.Energy);
        return new ExtractReport
        {
            Output = Options.Output.Path,
            Modules = [.. matrices.Select(m => m.Report)],
            Skipped = Skipped + _matrices.Count - matrices.Length,
            RelativeError = energy == 0 ? 0 : Math.Sqrt(matrices.Sum(m => m.Residual) / energy),
            BytesWritten = bytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
            Warnings = [.. BeyondBound(matrices)],
        };
    }

    /// <summary>Closes both models.</summary>
    public void Dispose()
    {
        _base.Dispose();
        _tuned.Dispose();
    }

    private static bool IsFull(TensorRole role, FullParameters full) => role switch
    {
        TensorRole.Norm => full.HasFlag(FullParameters.Norms),
        TensorRole.Bias => full.HasFlag(FullParameters.Biases),
        TensorRole.Head or TensorRole.HeadBias or TensorRole.Embedding => full.HasFlag(FullParameters.Embeddings),
        _ => false,
    };

    private static RandomizedSvdOptions Sketching(ExtractOptions options) => new()
    {
        Rank = options.Rank,
        Energy = options.Energy,
        MaxError = options.MaxError,
        Seed = options.Seed,
        Threads = options.Threads,
    };

    private static AdapterSaveOptions Saving(ExtractOptions options) => new()
    {
        Overwrite = options.Output.Overwrite,
        Flush = options.Output.Flush,
        Inputs = [options.Base, options.Tuned],
    };

    private static void RefuseQuantised(Checkpoint tuned, IReadOnlyList<TensorPair> changed)
    {
        TensorPair[] quantised = [.. changed.Where(p => !p.IsReal)];
        if (quantised.Length == 0) return;
        TensorPair first = quantised[0];
        string more = quantised.Length == 1 ? "" : $" (and {quantised.Length - 1} more)";
        throw new UnsupportedException(
            $"{Printable.Text(tuned.Path)}: {Printable.Text(first.Name)} changed{more}, and is stored as {first.Base.DType.FileName()} in the base, "
            + $"{first.Tuned.DType.FileName()} in the tuned model, whose values are no real numbers by themselves; extract from models that are not quantised, or --exclude it",
            tuned.Path, first.Name);
    }

    private static UnsupportedException Nothing(ExtractOptions options, int leftOut) => new(
        $"{Printable.Text(options.Tuned)} differs from {Printable.Text(options.Base)} in nothing that an adapter could carry"
        + $"{(leftOut == 0 ? "" : $" ({leftOut} that changed would be left out; see --full)")}; expected a tuned model", options.Tuned);

    private void RequireFinite(CancellationToken cancellation)
    {
        if (NonFiniteScan.Run(_full.Select(p => p.Tuned), Options.Threads, progress: null, cancellation).Found is [var found, ..])
        {
            throw MatrixExtraction.NonFinite((StoredTensor)found.Tensor, $"holds NaN or infinity, first at element {found.First}");
        }
    }

    /// <summary>As many as the memory cap allows for the largest.</summary>
    private int ModulesAtOnce(int threads)
    {
        long largest = _matrices.Select(p => RandomizedSvd.WorkingBytes(p.Difference.Rows, p.Difference.Columns, Sketching(Options))).DefaultIfEmpty(1).Max();
        return (int)Math.Clamp(Options.MemoryBytes / largest, 1, Math.Min(threads, Math.Max(1, _matrices.Count)));
    }

    private JsonObject Config(IReadOnlyList<ExtractedMatrix> matrices)
    {
        string? said = _base.Config?.Json["_name_or_path"] is JsonValue value && value.TryGetValue(out string? name) && name.Length > 0 ? name : null;
        return new JsonObject
        {
            ["base_model_name_or_path"] = Options.BaseModel ?? said ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Options.Base))),
            ["fan_in_fan_out"] = matrices.Any(m => m.Delta.Orientation == WeightOrientation.InOut),
        };
    }

    /// <summary>Factors are rounded when they are stored; where the bound is that tight, it may be missed.</summary>
    private IEnumerable<string> BeyondBound(IReadOnlyList<ExtractedMatrix> matrices)
    {
        double bound = Options.Energy is { } energy ? Math.Sqrt(1 - energy) : Options.MaxError ?? double.PositiveInfinity;
        // What F64 itself rounds is not worth a word.
        ExtractedModule[] beyond = [.. matrices.Select(m => m.Report).Where(m => m.RelativeError > bound + 1e-12)];
        if (beyond.Length == 0) yield break;
        ExtractedModule worst = beyond.MaxBy(m => m.RelativeError)!;
        yield return FormattableString.Invariant(
            $"the element type of the factors rounds {beyond.Length} modules beyond the bound {bound:G4}, worst {Printable.Text(worst.Name)} ({worst.RelativeError:G4}); take --dtype f32, or a wider bound");
    }
}

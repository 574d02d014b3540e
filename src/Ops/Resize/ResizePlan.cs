using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Resize;

/// <summary>
/// resize: the nearest adapter of other ranks. Every module's B·A is decomposed through its factors; ranks are chosen from the spectra, then
/// new factors are made. Two passes, so that no more singular vectors are held at once than threads work on. See spec/algebra.md, "resize".
/// </summary>
public sealed class ResizePlan : IDisposable
{
    private readonly Adapter _adapter;
    private readonly IReadOnlyList<ModuleResize> _modules;
    private readonly int[] _ranks;

    private ResizePlan(ResizeOptions options, Adapter adapter, IReadOnlyList<ModuleResize> modules, IReadOnlyList<Spectrum> spectra, int[] ranks)
    {
        Options = options;
        _adapter = adapter;
        _modules = modules;
        _ranks = ranks;
        Modules = [.. modules.Select((m, i) => new ResizedModule(
            m.Delta.Target.Label, m.Delta.Rank, ranks[i], spectra[i].EnergyKept(ranks[i]), spectra[i].RelativeError(ranks[i])))];
        RelativeError = Math.Sqrt(ResizeRanks.LostShare(modules, spectra, ranks));
        AdapterFiles files = AdapterLayouts.Named(adapter.Layout).Write(Result(adapter, i => modules[i].Shaped(ranks[i])));
        BytesAfter = files.Bytes;
        AdapterLocation source = AdapterLocation.Find(options.Adapter);
        BytesBefore = Length(source.TensorFile) + (source.ConfigFile is { } config ? Length(config) : 0);
        AdapterLayouts.CheckOutput(options.Output.Path, files.IsSingleFile, SaveOptions);
    }

    /// <summary>What was asked.</summary>
    public ResizeOptions Options { get; }

    /// <summary>The layout it was read by and is written in.</summary>
    public string Layout => _adapter.Layout;

    /// <summary>Every low-rank module with its new rank, in the file's order.</summary>
    public IReadOnlyList<ResizedModule> Modules { get; }

    /// <summary>√(Σs²σ² lost / Σs²σ²) over all modules.</summary>
    public double RelativeError { get; }

    /// <summary>The size of the files that are read.</summary>
    public long BytesBefore { get; }

    /// <summary>The size of the files that will be written.</summary>
    public long BytesAfter { get; }

    /// <summary>What is odd about the adapter.</summary>
    public IReadOnlyList<AdapterIssue> Issues => _adapter.Issues;

    private AdapterSaveOptions SaveOptions => new()
    {
        Overwrite = Options.Output.Overwrite,
        Flush = Options.Output.Flush,
        Inputs = [Options.Adapter],
    };

    /// <summary>Reads the adapter, decomposes every module and chooses the ranks. Writes nothing.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="compute">Where the decompositions run.</param>
    /// <param name="progress">Told after every module, from any worker.</param>
    /// <param name="cancellation">Stops between modules.</param>
    /// <exception cref="LoraKitException">Anything that would stop the resize and can be seen before new factors are made.</exception>
    public static ResizePlan Create(
        ResizeOptions options, ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        ResizeRanks ranks = new(options);
        Adapter adapter = AdapterLayouts.Open(options.Adapter);
        try
        {
            LowRankDelta[] deltas = PlainLora.Require(adapter);
            AlphaRule rule = AlphaRule.Of(deltas);
            ModuleResize[] modules = [.. deltas.Select(d => new ModuleResize(d, options.Output.ElementType, options.Balance, rule))];
            Spectrum[] spectra = Loop(modules, m => Decompose(m, compute), options.Threads, progress, cancellation);
            return new ResizePlan(options, adapter, modules, spectra, ranks.Choose(modules, spectra, Measure));

            long Measure(IReadOnlyList<int> chosen) =>
                AdapterLayouts.Named(adapter.Layout).Write(Result(adapter, i => modules[i].Shaped(chosen[i]))).Bytes;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="progress">Told after every module, from any worker.</param>
    /// <param name="cancellation">Stops between modules.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ResizeReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        LowRankDelta[] resized = Loop(
            [.. _modules.Zip(_ranks)], m => m.First.At(m.Second, compute), m => m.First, Options.Threads, progress, cancellation);
        long bytes = AdapterLayouts.Save(Result(_adapter, i => resized[i]), Options.Output.Path, SaveOptions, cancellation);
        return new ResizeReport
        {
            Output = Options.Output.Path,
            Modules = Modules,
            BytesBefore = BytesBefore,
            BytesAfter = bytes,
            RelativeError = RelativeError,
            Elapsed = Stopwatch.GetElapsedTime(started),
        };
    }

    /// <summary>Closes the adapter.</summary>
    public void Dispose() => _adapter.Dispose();

    /// <summary>The adapter with its low-rank modules, by their order, in another form; everything else is carried over.</summary>
    private static Adapter Result(Adapter adapter, Func<int, LowRankDelta> module)
    {
        int next = 0;
        return new Adapter(adapter.Path, adapter.Layout, file: null)
        {
            Deltas = [.. adapter.Deltas.Select(d => d is LowRankDelta ? module(next++) : d)],
            Replacements = adapter.Replacements,
            Config = adapter.Config,
            Metadata = adapter.Metadata,
        };
    }

    private static Spectrum Decompose(ModuleResize module, ICompute compute)
    {
        using ILowRankSvd svd = compute.Decompose(DeltaProduct.Of(module.Delta));
        return new Spectrum(svd.SingularValues);
    }

    private static TResult[] Loop<TResult>(
        IReadOnlyList<ModuleResize> modules, Func<ModuleResize, TResult> work, int threads, IProgress<OpProgress>? progress, CancellationToken cancellation) =>
        Loop(modules, work, m => m, threads, progress, cancellation);

    private static TResult[] Loop<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Func<TItem, ModuleResize> module, int threads, IProgress<OpProgress>? progress,
        CancellationToken cancellation) => ModuleLoop.Run(
            items, work, i => module(i).StoredBytes, i => module(i).Delta.Target.Label, threads, progress, cancellation);

    private static long Length(string file) => new FileInfo(file).Length;
}

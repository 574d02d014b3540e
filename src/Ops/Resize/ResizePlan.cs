using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Resize;

/// <summary>
/// resize: the nearest adapter of other ranks. Every module's B·A is decomposed through its factors; ranks are chosen from the spectra, then
/// new factors are made, module by module, while the result is written: two passes, and the memory of a few modules. See spec/algebra.md,
/// "resize".
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
        IAdapterLayout layout = AdapterLayouts.Named(adapter.Layout);
        AdapterFiles files = layout.Write(Outline(adapter, modules, ranks), options.Output.Path);
        BytesAfter = files.Bytes;
        AdapterLocation source = AdapterLocation.Find(options.Adapter);
        BytesBefore = Length(source.TensorFile) + (source.ConfigFile is { } config ? Length(config) : 0);
        AdapterLayouts.CheckOutput(options.Output.Path, layout, files.IsSingleFile, SaveOptions);
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

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings =>
        Options.Output.ElementType == FactorType.Exact && BytesAfter > BytesBefore
            && _modules.Where((m, i) => _ranks[i] < m.Delta.Rank).Any(m => m.Delta.Tensors.Any(t => t.DType.Bytes() < sizeof(float)))
            ? ["the output is larger than the adapter, though its ranks are lower: new factors are F32, which rounds nothing away; the element type keep stores them in the adapter's own"]
            : [];

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
            Spectrum[] spectra = ModuleLoop.Run(
                modules, m => Decompose(m, compute), m => m.StoredBytes, m => m.Delta.Target.Label, options.Threads, progress, cancellation);
            return new ResizePlan(options, adapter, modules, spectra, ranks.Choose(modules, spectra, Measure));

            long Measure(IReadOnlyList<int> chosen) =>
                AdapterLayouts.Named(adapter.Layout).Write(Outline(adapter, modules, chosen)).Bytes;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="progress">Told after every module whose factors are computed, from any worker.</param>
    /// <param name="cancellation">Stops between modules.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ResizeReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        CarriedValues.RequireFinite(
            [.. _adapter.Deltas.Where(d => d is not LowRankDelta).SelectMany(d => d.Tensors), .. _adapter.Replacements.Select(r => r.Values)],
            Options.Threads, cancellation);
        using ModuleStream<int, LowRankDelta> computed = new(
            [.. WrittenOrder()], i => _modules[i].Truncated(_ranks[i], compute), i => _modules[i].StoredBytes, i => _modules[i].Delta.Target.Label,
            Options.Threads, progress, cancellation);
        Adapter result = Result(_adapter, i => _modules[i].At(_ranks[i], () => computed.Of(i)));
        long bytes = AdapterLayouts.Save(result, Options.Output.Path, SaveOptions, cancellation);
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

    /// <summary>The adapter in the shapes and element types of given ranks, without the values that are computed.</summary>
    private static Adapter Outline(Adapter adapter, IReadOnlyList<ModuleResize> modules, IReadOnlyList<int> ranks) => Result(
        adapter, i => modules[i].At(ranks[i], () => throw new InvalidOperationException(modules[i].Delta.Target.Label)));

    /// <summary>The modules to be computed, as their factors come in the file: wide element types first, then by name.</summary>
    private IEnumerable<int> WrittenOrder() => Enumerable.Range(0, _modules.Count)
        .Where(i => _modules[i].IsComputed(_ranks[i]))
        .OrderByDescending(i => _modules[i].DownType)
        .ThenBy(i => _modules[i].Delta.Target.Path, StringComparer.Ordinal);

    private static Spectrum Decompose(ModuleResize module, ICompute compute)
    {
        using ILowRankSvd svd = DeltaProduct.Decompose(module.Delta, compute);
        return new Spectrum(svd.SingularValues);
    }

    private static long Length(string file) => new FileInfo(file).Length;
}

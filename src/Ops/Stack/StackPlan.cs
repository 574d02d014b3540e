using System.Diagnostics;
using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.PeftSemantics;

namespace LoraKit.Ops.Stack;

/// <summary>
/// stack = one adapter from several: Σ wᵢ·sᵢ·Bᵢ·Aᵢ, or what another method makes of these. See spec/algebra.md, "stack".
/// </summary>
public sealed class StackPlan : IDisposable
{
    private readonly IReadOnlyList<Adapter> _adapters;
    private readonly StackAlignment _alignment;
    private readonly IModuleStacker _stacker;
    private readonly IReadOnlyList<Replacement> _replacements;
    private readonly StackMemory _memory;

    private StackPlan(StackOptions options, IReadOnlyList<Adapter> adapters, IModuleStacker stacker)
    {
        Options = options;
        _adapters = adapters;
        _stacker = stacker;
        _alignment = new StackAlignment(adapters, options.Adapters);
        _memory = new StackMemory(_alignment.Modules, stacker, options.MemoryBytes);
        _memory.RequireWithin(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        Warnings = [.. StackNotes.Of(adapters, options.AllowUnmatched), .. _memory.Warning is { } warning ? [warning] : Array.Empty<string>()];
        _replacements = StackedReplacements.Of(adapters, options.Adapters);
        Inputs = [.. adapters.Zip(options.Adapters, (a, input) => new StackInput(input.Path, input.Weight, a.Layout, a.Deltas.Count, a.Issues))];
        Modules =
        [
            .. _alignment.Modules.Select(m => new PlannedStackModule(
                m.Target.Label, m.Rows, m.Columns, m.Ranks(adapters.Count), stacker.RankAtMost(m))),
        ];
        Threads = _memory.Threads(options.Threads > 0 ? options.Threads : Environment.ProcessorCount);
    }

    /// <summary>What was asked.</summary>
    public StackOptions Options { get; }

    /// <summary>The adapters as they were read.</summary>
    public IReadOnlyList<StackInput> Inputs { get; }

    /// <summary>Every module of the result.</summary>
    public IReadOnlyList<PlannedStackModule> Modules { get; }

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The memory that the largest module takes while it is worked on, in bytes.</summary>
    public long LargestModuleBytes => _memory.Largest;

    /// <summary>How many modules are worked on at once.</summary>
    public int Threads { get; }

    private AdapterSaveOptions SaveOptions => new()
    {
        Overwrite = Options.Output.Overwrite,
        Flush = Options.Output.Flush,
        Inputs = [.. Options.Adapters.Select(a => a.Path)],
    };

    /// <summary>Opens the adapters, matches their modules and checks that the result can be said and written. Writes nothing.</summary>
    /// <exception cref="LoraKitException">Anything that would stop it and can be seen before values are read.</exception>
    public static StackPlan Create(StackOptions options)
    {
        Check(options);
        List<Adapter> adapters = [];
        try
        {
            IModuleStacker? exact = options.Semantics == StackSemantics.Exact ? new ExactStacker(options) : null;
            foreach (AdapterInput input in options.Adapters)
            {
                adapters.Add(AdapterLayouts.Open(input.Path, input.Reading));
                RequireSameLayout(adapters[0], adapters[^1]);
                if (!adapters[^1].LayerReplication.SequenceEqual(adapters[0].LayerReplication))
                {
                    throw new UnsupportedException($"{Printable.Text(adapters[0].Path)} and {Printable.Text(input.Path)} were trained on different layers of their base ('layer_replication'), so their names mean different layers", input.Path);
                }
            }

            StackPlan plan = new(options, adapters, exact ?? new PeftStacker(options, adapters));
            IAdapterLayout layout = AdapterLayouts.Named(adapters[0].Layout);
            AdapterLayouts.CheckOutput(options.Output.Path, layout, layout.Write(plan.Outline()).IsSingleFile, plan.SaveOptions);
            return plan;
        }
        catch
        {
            adapters.ForEach(a => a.Dispose());
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="progress">Told after every module, from any thread.</param>
    /// <param name="cancellation">Stops it between modules.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public StackReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        CarriedValues.RequireFinite(_replacements.Select(r => r.Values), Options.Threads, cancellation);
        int each = Math.Max(1, (Options.Threads > 0 ? Options.Threads : Environment.ProcessorCount) / Threads);
        StackedUpdate[] updates = ModuleLoop.Run(
            _alignment.Modules, module => _stacker.Stack(module, compute, each, cancellation), module => (module.Rows + (long)module.Columns) * module.SumOfRanks,
            module => module.Target.Path, Threads, progress, cancellation);
        using Adapter result = Result([.. updates.Select(u => u.Delta), .. _alignment.Sums.Select(sum => sum.Compute(Options.Output.ElementType))]);
        long bytes = AdapterLayouts.Save(result, Options.Output.Path, SaveOptions, cancellation);
        return new StackReport
        {
            Output = Options.Output.Path,
            Modules =
            [
                .. _alignment.Modules.Zip(updates, (m, u) => new StackedModuleReport(m.Target.Label, m.Ranks(_adapters.Count), u.Delta.Rank, u.RelativeError)),
            ],
            RelativeError = Overall(updates),
            BytesWritten = bytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
        };
    }

    /// <summary>Closes the adapters.</summary>
    public void Dispose()
    {
        foreach (Adapter adapter in _adapters) adapter.Dispose();
    }

    // The result with its values left out: a layout says from it what it cannot hold.
    private Adapter Outline()
    {
        static ComputedTensor Empty(string name, TensorShape shape) => new(name, DType.F32, shape, (_, _) => throw new InvalidOperationException(name));

        return Result(
        [
            .. _alignment.Modules.Select(m => m.First.With(
                Empty($"{m.Target.Path}: A", FactorShapes.Down(m.First, _stacker.RankAtMost(m))),
                Empty($"{m.Target.Path}: B", FactorShapes.Up(m.First, _stacker.RankAtMost(m))),
                1, _stacker.RankAtMost(m))),
            .. _alignment.Sums.Select(s => s.Parts[0].Delta),
        ]);
    }

    private Adapter Result(IReadOnlyList<AdapterDelta> deltas) => new(Options.Output.Path, _adapters[0].Layout, file: null)
    {
        Deltas = deltas,
        Replacements = _replacements,
        Config = _adapters[0].Config,
        Metadata = _adapters[0].Metadata,
    };

    private static double? Overall(IReadOnlyList<StackedUpdate> updates)
    {
        if (updates.Any(u => u.Norm is null)) return null;
        double norm = FrobeniusNorm.Of([.. updates.Select(u => u.Norm!.Value)]);
        return norm > 0 ? FrobeniusNorm.Of([.. updates.Select(u => u.Lost)]) / norm : 0;
    }

    private static void Check(StackOptions options)
    {
        if (options.Adapters.Count == 0) throw new InvalidOptionException("no adapter is given; expected at least one");
        foreach (AdapterInput input in options.Adapters)
        {
            if (double.IsFinite(input.Weight)) continue;
            throw new InvalidOptionException(string.Create(
                CultureInfo.InvariantCulture, $"the weight of {Printable.Text(input.Path)} is {input.Weight}; expected a finite number"));
        }
    }

    private static void RequireSameLayout(Adapter first, Adapter other)
    {
        if (other.Layout == first.Layout) return;
        throw new UnsupportedException(
            $"{Printable.Text(other.Path)}: is of the layout {other.Layout}, but {Printable.Text(first.Path)} of {first.Layout}; convert one of them first",
            other.Path);
    }
}

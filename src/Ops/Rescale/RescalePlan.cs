using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Rescale;

/// <summary>
/// rescale: other scales for the same factors. Only alpha changes, and where it is folded B; nothing is recomputed otherwise. See
/// spec/algebra.md, "rescale".
/// </summary>
public sealed class RescalePlan : IDisposable
{
    private readonly Adapter _adapter;
    private readonly AlphaRule _rule;
    private readonly IReadOnlyList<ScaleChange> _changes;
    private readonly NameFilter _filter;

    private RescalePlan(RescaleOptions options, Adapter adapter, RescaleScales scales, NameFilter filter)
    {
        Options = options;
        _adapter = adapter;
        _rule = scales.Rule;
        _changes = scales.Changes;
        _filter = filter;
        Modules = [.. _changes.Select(c => new RescaledModule(c.Delta.Target.Label, ScaleChange.ScaleOf(c.Delta), c.Scale, c.SplitQkv))];
        NormBefore = scales.NormBefore;
        NormAfter = scales.NormAfter;
        Warnings = [.. scales.Warnings];
        IAdapterLayout layout = AdapterLayouts.Named(adapter.Layout);
        AdapterLayouts.CheckOutput(options.Output.Path, layout, layout.Write(Result(c => c.Applied(_rule))).IsSingleFile, SaveOptions);
    }

    /// <summary>What was asked.</summary>
    public RescaleOptions Options { get; }

    /// <summary>The layout it was read by and is written in.</summary>
    public string Layout => _adapter.Layout;

    /// <summary>Every update, in the file's order.</summary>
    public IReadOnlyList<RescaledModule> Modules { get; }

    /// <summary>√Σ‖ΔW‖² over the chosen updates; null where no norm was asked for.</summary>
    public double? NormBefore { get; }

    /// <summary>What it becomes; null where no norm was asked for.</summary>
    public double? NormAfter { get; }

    /// <summary>What is odd about the adapter.</summary>
    public IReadOnlyList<AdapterIssue> Issues => _adapter.Issues;

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    private AdapterSaveOptions SaveOptions => new()
    {
        Overwrite = Options.Output.Overwrite,
        Flush = Options.Output.Flush,
        Inputs = Options.Amount is RescaleAmount.Match match ? [Options.Adapter, match.Adapter] : [Options.Adapter],
    };

    /// <summary>Reads the adapter and decides every scale. Writes nothing; reads values only for norms and for <c>split_qkv</c>.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="progress">Told after every module whose values are read, from any worker.</param>
    /// <param name="cancellation">Stops between modules.</param>
    /// <exception cref="LoraKitException">Anything that would stop it and can be seen now.</exception>
    public static RescalePlan Create(RescaleOptions options, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        Check(options);
        NameFilter filter = new(options.Include, options.Exclude);
        Adapter adapter = AdapterLayouts.Open(options.Adapter);
        try
        {
            return new RescalePlan(options, adapter, new RescaleScales(options, adapter, filter, progress, cancellation), filter);
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="progress">Told after every module that is folded, from any worker.</param>
    /// <param name="cancellation">Stops between modules.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public RescaleReport Run(IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        CarriedValues.RequireFinite(
            [.. _adapter.Deltas.SelectMany(d => d.Tensors), .. _adapter.Replacements.Select(r => r.Values)], Options.Threads, cancellation);
        Dictionary<ScaleChange, AdapterDelta> folded = [];
        if (Options.Fold)
        {
            ScaleChange[] changes = [.. _changes.Where(c => _filter.Takes(c.Delta.Target.Module.Path))];
            AdapterDelta[] results = ModuleLoop.Run(
                changes, c => c.Folded(Options.Output.ElementType), c => StoredSize.Of(c.Delta), c => c.Delta.Target.Label,
                Options.Threads, progress, cancellation);
            folded = changes.Zip(results).ToDictionary(pair => pair.First, pair => pair.Second);
        }

        Adapter result = Result(c => folded.GetValueOrDefault(c) ?? c.Applied(_rule));
        return new RescaleReport
        {
            Output = Options.Output.Path,
            Modules = Modules,
            BytesWritten = AdapterLayouts.Save(result, Options.Output.Path, SaveOptions, cancellation),
        };
    }

    /// <summary>Closes the adapter.</summary>
    public void Dispose() => _adapter.Dispose();

    private Adapter Result(Func<ScaleChange, AdapterDelta> apply) => new(_adapter.Path, _adapter.Layout, file: null)
    {
        Deltas = [.. _changes.Select(apply)],
        Replacements = _adapter.Replacements,
        Config = Options.Fold ? _adapter.Config?.WithPlainAlpha() : _adapter.Config,
        Metadata = _adapter.Metadata,
    };

    private static void Check(RescaleOptions options)
    {
        if (options.Amount is null && !options.Fold && !options.FixSplitQkv)
        {
            throw new InvalidOptionException("nothing to do; expected a factor, an alpha, a norm, an adapter to match, fold or fix-split-qkv");
        }

        if (!options.Fold && options.Output.ElementType != FactorType.Exact)
        {
            throw new InvalidOptionException("factors stay as they are unless the scale is folded into them; an element type is for fold alone");
        }

        if (options.FixSplitQkv && options.Amount is RescaleAmount.Alpha)
        {
            throw new InvalidOptionException("alpha sets what fix-split-qkv would correct; expected one of the two");
        }

        switch (options.Amount)
        {
            case RescaleAmount.By by: Require(double.IsFinite(by.Factor), "by", by.Factor, "a finite number"); break;
            case RescaleAmount.Alpha alpha: Require(double.IsFinite(alpha.Value) && alpha.Value != 0, "alpha", alpha.Value, "a finite number other than 0"); break;
            case RescaleAmount.Norm norm: Require(double.IsFinite(norm.Value) && norm.Value > 0, "norm", norm.Value, "a finite number above 0"); break;
        }
    }

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (!holds) throw new InvalidOptionException(string.Create(CultureInfo.InvariantCulture, $"{name}: {value} is out of range; expected {expected}"));
    }
}

using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Rescale;

/// <summary>The new scale of every update of an adapter.</summary>
internal sealed class RescaleScales
{
    private readonly RescaleOptions _options;
    private readonly Adapter _adapter;
    private readonly NameFilter _filter;
    private readonly IProgress<OpProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<string> _warnings = [];

    /// <exception cref="LoraKitException">A filter that takes nothing, an update that is zero, nothing to fix, a value or a scale that is not finite.</exception>
    public RescaleScales(
        RescaleOptions options, Adapter adapter, NameFilter filter, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        _options = options;
        _adapter = adapter;
        _filter = filter;
        _progress = progress;
        _cancellation = cancellation;
        LowRankDelta[] modules = PlainLora.Require(adapter);
        if (!modules.Any(IsChosen))
        {
            throw new InvalidOptionException(
                $"no module of {Printable.Text(adapter.Path)} is left by include and exclude; expected at least one (its first is '{Printable.Text(modules[0].Target.Module.Path)}')");
        }

        Rule = AlphaRule.Of(modules);
        Func<LowRankDelta, ScaleChange> corrected = Corrected(modules);
        ScaleChange[] changes = Following(adapter.Deltas, corrected);
        Changes = [.. Amounts(changes).Select(c => c.Checked())];
        if (adapter.Replacements.Count > 0 && options.Amount is not null)
        {
            _warnings.Add(
                $"{adapter.Replacements.Count} replaced tensors ('{Printable.Text(adapter.Replacements[0].Target.Path)}', …) stay as they are: only updates have a scale");
        }
    }

    /// <summary>What alpha is divided by.</summary>
    public AlphaRule Rule { get; }

    /// <summary>Every update, in the file's order.</summary>
    public IReadOnlyList<ScaleChange> Changes { get; }

    /// <summary>√Σ‖ΔW‖² over the chosen updates; null where no norm was asked for.</summary>
    public double? NormBefore { get; private set; }

    /// <summary>What it becomes.</summary>
    public double? NormAfter { get; private set; }

    /// <summary>One line each.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    private bool IsChosen(AdapterDelta delta) => _filter.Takes(delta.Target.Module.Path);

    /// <summary>Modules trained with split_qkv get what they lack; all others stay.</summary>
    private Func<LowRankDelta, ScaleChange> Corrected(LowRankDelta[] modules)
    {
        if (!_options.FixSplitQkv) return m => new ScaleChange(m, m.Scale);
        Func<LowRankDelta, int?> find = SplitQkv.Find(modules);
        Dictionary<LowRankDelta, int> parts = [];
        foreach (LowRankDelta module in modules.Where(IsChosen))
        {
            _cancellation.ThrowIfCancellationRequested();
            if (find(module) is { } missing) parts.Add(module, missing);
        }

        if (parts.Count == 0)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(_adapter.Path)}: nothing to fix; expected Flux modules (…_img_attn_qkv, …_txt_attn_qkv, …_linear1) with a block-diagonal up of 3 or 4 times "
                + "the rank, and the alpha, of the modules that are not fused", _adapter.Path);
        }

        return m => parts.TryGetValue(m, out int missing) ? new ScaleChange(m, m.Scale * missing) { SplitQkv = missing } : new ScaleChange(m, m.Scale);
    }

    /// <summary>Low-rank updates get their scale; a dense one (a trained bias) is scaled as its module is, and stays where it has none.</summary>
    private static ScaleChange[] Following(IReadOnlyList<AdapterDelta> deltas, Func<LowRankDelta, ScaleChange> scale)
    {
        Dictionary<AdapterDelta, ScaleChange> lowRank = deltas.OfType<LowRankDelta>().ToDictionary(d => (AdapterDelta)d, scale);
        ILookup<ModuleName, ScaleChange> ofModule = lowRank.Values.ToLookup(c => c.Delta.Target.Module);
        return [.. deltas.Select(d => lowRank.GetValueOrDefault(d) ?? new ScaleChange(
            d, ofModule[d.Target.Module].FirstOrDefault() is { } module ? Follow(ScaleChange.ScaleOf(d), module) : ScaleChange.ScaleOf(d)))];
    }

    private static double Follow(double scale, ScaleChange module)
    {
        double before = ScaleChange.ScaleOf(module.Delta);
        return scale == before || before == 0 ? module.Scale : scale * (module.Scale / before);
    }

    private IEnumerable<ScaleChange> Amounts(ScaleChange[] changes) => _options.Amount switch
    {
        RescaleAmount.By by => Times(changes, by.Factor),
        RescaleAmount.Alpha alpha => Following(
            _adapter.Deltas, m => new ScaleChange(m, IsChosen(m) ? alpha.Value / Rule.Divisor(m) : m.Scale)),
        RescaleAmount.Norm norm => ToNorm(changes, norm.Value),
        RescaleAmount.Match match => ToNorm(changes, NormOf(match.Adapter)),
        _ => changes,
    };

    private IEnumerable<ScaleChange> Times(ScaleChange[] changes, double factor) =>
        changes.Select(c => IsChosen(c.Delta) ? c with { Scale = c.Scale * factor } : c);

    private IEnumerable<ScaleChange> ToNorm(ScaleChange[] changes, double norm)
    {
        double[] norms = Norms([.. changes.Where(c => IsChosen(c.Delta)).Select(c => c.Applied(Rule))]);
        double before = FrobeniusNorm.Of(norms);
        if (before == 0 || !double.IsFinite(before))
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(_adapter.Path)}: the norm of the update is {before}; expected a finite number above 0, for no factor makes that {norm}", _adapter.Path);
        }

        (NormBefore, NormAfter) = (before, norm);
        return Times(changes, norm / before);
    }

    private double NormOf(string path)
    {
        using Adapter other = AdapterLayouts.Open(path);
        PlainLora.Require(other);
        double norm = FrobeniusNorm.Of(Norms([.. other.Deltas.Where(IsChosen)]));
        return norm > 0 && double.IsFinite(norm) ? norm : throw new InvalidAdapterException(
            $"{Printable.Text(path)}: the norm of its update is {norm}; expected a finite number above 0 to match", path);
    }

    private double[] Norms(IReadOnlyList<AdapterDelta> deltas) => ModuleLoop.Run(
        deltas, UpdateNorm.Of, StoredSize.Of, d => d.Target.Label, _options.Threads, _progress, _cancellation);
}

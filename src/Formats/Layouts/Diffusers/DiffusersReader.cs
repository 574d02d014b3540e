using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Layouts.Peft;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Diffusers;

/// <summary>Pairs of factors to the canonical adapter, for both spellings of diffusers.</summary>
/// <param name="source">The file.</param>
/// <param name="layout">The layout's name.</param>
/// <param name="parse">Takes a tensor's name apart.</param>
internal sealed class DiffusersReader(AdapterSource source, string layout, Func<TensorInfo, FactorKey> parse)
{
    private readonly KeyLedger _ledger = new(source.Tensors);
    private readonly IReadOnlyDictionary<string, PeftConfig> _configs = DiffusersMetadata.Read(source.Tensors.Path, source.Tensors.Metadata);

    private string File => source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes, alpha and configuration contradict each other.</exception>
    /// <exception cref="UnsupportedException">A tensor belongs to a kind that is not read.</exception>
    public Adapter Read()
    {
        IReadOnlyList<FactorPair> modules = FactorPair.Group(File, source.Tensors.Tensors.Select(parse));
        List<AdapterDelta> deltas = [.. modules.SelectMany(Deltas)];
        _ledger.Close();
        return new Adapter(source.Path, layout, source) { Deltas = deltas, Metadata = source.Tensors.Metadata, Issues = [.. Issues(modules)] };
    }

    private IEnumerable<AdapterDelta> Deltas(FactorPair module)
    {
        if (module.Whole(_ledger) is not var (down, up)) yield break;
        StoredTensor? stated = module[FactorRole.Alpha] is { } tensor ? _ledger.Claim(tensor) : null;
        (double scale, double alpha) = ScaleOf(module.Module, down, stated);
        LowRankDelta update = new(new(module.Module, "weight"), _ledger.Claim(down), _ledger.Claim(up), scale, alpha, WeightOrientation.OutIn) { AlphaTensor = stated };
        yield return Around(module, update);
        if (module[FactorRole.Bias] is { } bias) yield return new DenseDelta(new(module.Module, "bias"), _ledger.Claim(bias), scale);
    }

    /// <summary>DoRA where the header's configuration says so; without one, where there are magnitudes, as diffusers has it.</summary>
    private AdapterDelta Around(FactorPair module, LowRankDelta update)
    {
        TensorInfo? magnitude = module[FactorRole.Magnitude];
        bool isDora = ConfigOf(module.Module)?.Settings.Flag("use_dora") ?? magnitude is not null;
        if (isDora && magnitude is not null) return new MagnitudeDelta(update, _ledger.Claim(magnitude), MagnitudeAxis.Output, source.Options.DoraNorm);
        if (magnitude is not null) _ledger.Leave(magnitude, $"but 'use_dora' is not set in {DiffusersMetadata.Key}");
        if (!isDora) return update;
        throw new InvalidAdapterException(
            $"{Printable.Text(File)}: module '{Printable.Text(module.Module.Path)}' has no lora_magnitude_vector; expected one, for {DiffusersMetadata.Key} says 'use_dora'", File, update.Down.Name);
    }

    private PeftConfig? ConfigOf(ModuleName module) => DiffusersKey.ComponentOf(module.Path) is { } component ? _configs.GetValueOrDefault(component) : null;

    /// <summary>By the header's configuration, else by an alpha tensor; with neither alpha is the rank, as diffusers has it.</summary>
    private (double Scale, double Alpha) ScaleOf(ModuleName module, TensorInfo down, TensorValue? stated)
    {
        double rank = down.Shape.Rank > 0 ? down.Shape[0] : 1;
        if (ConfigOf(module) is { } config)
        {
            ModuleScale scale = config.ScaleOf(DiffusersMetadata.Within(DiffusersKey.ComponentOf(module.Path)!, module));
            if (stated is not null) throw Contradiction(down, $"has an alpha tensor and a configuration in the header ({DiffusersMetadata.Key}); expected one of them");
            if (scale.Rank != rank) throw Contradiction(down, $"has A {down.Shape}, so rank {rank}, but {DiffusersMetadata.Key} says {scale.Rank} (from {scale.RankOrigin})");
            return (scale.Scale, scale.Alpha);
        }

        if (stated is null) return (1, rank);
        double alpha = KohyaAlpha.Read(module, stated);
        return (alpha / rank, alpha);

        InvalidAdapterException Contradiction(TensorInfo tensor, string what) =>
            new($"{Printable.Text(File)}: module '{Printable.Text(module.Path)}' {what}", File, tensor.Name);
    }

    private IEnumerable<AdapterIssue> Issues(IReadOnlyList<FactorPair> modules)
    {
        HashSet<ModuleName> all = [.. modules.Select(module => module.Module)];
        foreach ((string component, PeftConfig config) in _configs)
        {
            string[] within = [.. all.Where(module => module.Path.StartsWith(component, StringComparison.Ordinal)).Select(module => module.Path[component.Length..])];
            if (within.Length == 0)
            {
                yield return new("pattern_matches_nothing", IssueSeverity.Warning, $"{DiffusersMetadata.Key} describes '{component[..^1]}', of which the file has nothing", component[..^1]);
                continue;
            }

            foreach ((string setting, string pattern) in config.UnusedPatterns)
            {
                yield return new("pattern_matches_nothing", IssueSeverity.Warning, $"{component}{setting} '{Printable.Text(pattern)}' decides for no module of the file", component + setting);
            }

            foreach (AdapterIssue issue in config.Targets.IssuesOf(within))
            {
                yield return issue;
            }
        }
    }
}

using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What is odd between configuration and file without being wrong. PEFT says nothing of most of it.</summary>
internal static class PeftIssues
{
    public static IEnumerable<AdapterIssue> Of(PeftConfig config, IReadOnlyList<PeftKey> keys, IReadOnlyList<PeftFactors> modules) =>
    [
        .. BaseModel(config), .. StraySettings(config), .. Prefixes(keys), .. Ignored(keys), .. UnusedPatterns(config), .. MissingBiases(config, modules),
        .. MissingTokens(config, keys), .. TiedFactors(config, modules),
        .. config.Targets.IssuesOf([.. modules.Where(module => !module.IsAttentionOutput && config.Parameters.Of(module.Module).Count == 0).Select(module => module.Module.Path)]),
        .. Nested(config, modules),
    ];

    private static IEnumerable<AdapterIssue> Nested(PeftConfig config, IReadOnlyList<PeftFactors> modules) => modules
        .Where(module => module.Depth > 0 && config.Parameters.Of(module.Module).Count == 0)
        .Take(1)
        .Select(module => new AdapterIssue("nested_factors", IssueSeverity.Info,
            "adapters wrap one another (base_layer.lora_*): their updates are added, all with this configuration's rank and alpha", module.Module.Path));

    private static IEnumerable<AdapterIssue> BaseModel(PeftConfig config)
    {
        if (string.IsNullOrEmpty(config.BaseModel))
        {
            yield return new("base_model_missing", IssueSeverity.Info, "the configuration does not name the base model", "base_model_name_or_path");
        }
    }

    /// <summary>Other programs' word for lora_alpha, which PEFT's LoRA ignores; it misleads only where it says another number.</summary>
    private static IEnumerable<AdapterIssue> StraySettings(PeftConfig config)
    {
        const string stray = "alpha";
        if (PeftMethodList.Of(config.PeftType) is not null || config.Settings.Json[stray] is not { } alpha) yield break;
        bool isSame = JsonNode.DeepEquals(alpha, config.Settings.Json["lora_alpha"]);
        yield return new("stray_setting", isSame ? IssueSeverity.Info : IssueSeverity.Warning,
            $"'{stray}' is no setting of PEFT's and is not used; alpha is 'lora_alpha'{(isSame ? ", which says the same" : "")}", stray);
    }

    private static IEnumerable<AdapterIssue> Prefixes(IReadOnlyList<PeftKey> keys)
    {
        PeftKey? bare = keys.FirstOrDefault(key => !key.HasPrefix);
        if (bare is null) yield break;
        string some = keys.Any(key => key.HasPrefix) ? "some keys lack" : "the keys lack";
        yield return new("prefix_missing", IssueSeverity.Warning,
            $"{some} the prefix base_model.model., so a PEFT model would silently load nothing from them", bare.Tensor.Name);
    }

    private static IEnumerable<AdapterIssue> Ignored(IReadOnlyList<PeftKey> keys) => keys
        .Where(key => key.Role == PeftRole.Ignored)
        .GroupBy(key => key.Note)
        .Select(group => new AdapterIssue("ignored_tensor", IssueSeverity.Info,
            $"not needed and not read: {group.Key} (tensors: {group.Count()})", group.First().Tensor.Name));

    private static IEnumerable<AdapterIssue> UnusedPatterns(PeftConfig config) => config.UnusedPatterns.Select(unused => new AdapterIssue(
        "pattern_matches_nothing", IssueSeverity.Warning,
        $"{unused.Setting} '{Printable.Text(unused.Pattern)}' decides for no module of the file", unused.Setting));

    private static IEnumerable<AdapterIssue> MissingBiases(PeftConfig config, IReadOnlyList<PeftFactors> modules)
    {
        if (!config.HasLoraBias) yield break;
        if (modules.FirstOrDefault(module => module[PeftRole.LoraB] is not null && module[PeftRole.LoraBias] is null) is { } without)
        {
            yield return new("missing_tensor", IssueSeverity.Warning,
                $"'lora_bias' is set, but module '{Printable.Text(without.Module.Path)}' has no lora_B.bias", without.Module.Path);
        }
    }

    private static IEnumerable<AdapterIssue> MissingTokens(PeftConfig config, IReadOnlyList<PeftKey> keys)
    {
        if (config.TokenRows.Setting is { } setting && !keys.Any(key => key.Role == PeftRole.TokenRows))
        {
            yield return new("missing_tensor", IssueSeverity.Warning,
                $"'{setting}' is set, but the file has no trained token rows", setting);
        }
    }

    /// <summary>PEFT then trains one update and writes it twice, transposed for the head.</summary>
    private static IEnumerable<AdapterIssue> TiedFactors(PeftConfig config, IReadOnlyList<PeftFactors> modules)
    {
        if (config.TiesWeights && modules.Any(module => module[PeftRole.EmbeddingA] is not null)
            && modules.FirstOrDefault(module => module.Module.Leaf == "lm_head" && module[PeftRole.LoraA] is not null) is { } head)
        {
            yield return new("tied_factors", IssueSeverity.Warning,
                "'ensure_weight_tying' is set: embedding and head carry the same update, to be added once where the base ties them",
                head.Module.Path);
        }
    }
}

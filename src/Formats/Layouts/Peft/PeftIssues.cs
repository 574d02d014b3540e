using System.Text.RegularExpressions;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What is odd between configuration and file without being wrong. PEFT says nothing of most of it.</summary>
internal static class PeftIssues
{
    public static IEnumerable<AdapterIssue> Of(PeftConfig config, IReadOnlyList<PeftKey> keys, IReadOnlyList<PeftFactors> modules) =>
    [
        .. BaseModel(config), .. Prefixes(keys), .. Ignored(keys), .. UnusedPatterns(config), .. MissingBiases(config, modules),
        .. MissingTokens(config, keys), .. Targets(config, modules),
    ];

    private static IEnumerable<AdapterIssue> BaseModel(PeftConfig config)
    {
        if (string.IsNullOrEmpty(config.BaseModel))
        {
            yield return new("base_model_missing", IssueSeverity.Info, "the configuration does not name the base model", "base_model_name_or_path");
        }
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
        $"{unused.Setting} '{DisplayText.Escape(unused.Pattern)}' decides for no module of the file", unused.Setting));

    private static IEnumerable<AdapterIssue> MissingBiases(PeftConfig config, IReadOnlyList<PeftFactors> modules)
    {
        if (!config.HasLoraBias) yield break;
        if (modules.FirstOrDefault(module => module[PeftRole.LoraB] is not null && module[PeftRole.LoraBias] is null) is { } without)
        {
            yield return new("missing_tensor", IssueSeverity.Warning,
                $"'lora_bias' is set, but module '{DisplayText.Escape(without.Module.Path)}' has no lora_B.bias", without.Module.Path);
        }
    }

    private static IEnumerable<AdapterIssue> MissingTokens(PeftConfig config, IReadOnlyList<PeftKey> keys)
    {
        if (config.TokenRows.Setting is { } setting && !keys.Any(key => key.Role == PeftRole.TokenRows))
        {
            yield return new("missing_tensor", IssueSeverity.Warning, $"'{setting}' is set, but the file has no trained token rows", setting);
        }
    }

    private static IEnumerable<AdapterIssue> Targets(PeftConfig config, IReadOnlyList<PeftFactors> modules)
    {
        if (modules.Count == 0) return [];
        if (config.TargetModules is { } endings) return ByEnding(endings, modules);
        return config.TargetPattern is { Length: > 0 } pattern && pattern != "all-linear" ? ByPattern(pattern, modules) : [];
    }

    private static IEnumerable<AdapterIssue> ByEnding(IReadOnlyList<string> endings, IReadOnlyList<PeftFactors> modules)
    {
        HashSet<string> wanted = new(endings, StringComparer.Ordinal);
        HashSet<string> matched = new(StringComparer.Ordinal);
        foreach (string module in modules.Select(factors => factors.Module.Path))
        {
            bool any = false;
            for (int start = 0; ; start++)
            {
                string ending = module[start..];
                if (wanted.Contains(ending)) any = matched.Add(ending) || true;
                start = module.IndexOf('.', start);
                if (start < 0) break;
            }

            if (!any) yield return Untargeted(module);
        }

        foreach (string ending in wanted.Except(matched).Order(StringComparer.Ordinal))
        {
            yield return new("target_matches_nothing", IssueSeverity.Warning,
                $"target_modules '{DisplayText.Escape(ending)}' matches no module of the file", "target_modules");
        }
    }

    private static List<AdapterIssue> ByPattern(string pattern, IReadOnlyList<PeftFactors> modules)
    {
        List<AdapterIssue> issues = [];
        try
        {
            PythonPattern target = PythonPattern.Whole(pattern);
            issues.AddRange(modules.Where(module => !target.IsMatch(module.Module.Path)).Select(module => Untargeted(module.Module.Path)));
        }
        catch (Exception cannot) when (cannot is FormatException or RegexMatchTimeoutException)
        {
            string why = cannot is FormatException ? cannot.Message : "it takes too long";
            issues.Add(new("target_not_checked", IssueSeverity.Info, $"target_modules is not checked against the file: {why}", "target_modules"));
        }

        return issues;
    }

    private static AdapterIssue Untargeted(string module) => new("untargeted_module", IssueSeverity.Warning,
        $"module '{DisplayText.Escape(module)}' has factors, but target_modules does not name it: PEFT would silently leave it out", module);
}

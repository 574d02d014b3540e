using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// Which modules training was aimed at. It changes nothing of what is read: PEFT silently leaves out factors of a module that is not a target,
/// so a file that disagrees deserves a warning.
/// </summary>
internal sealed class PeftTargets
{
    private const string Setting = "target_modules";

    private readonly IReadOnlyList<string>? _endings;
    private readonly string? _pattern;
    private readonly TargetLayers _layers;
    private readonly JsonSettings _settings;

    /// <exception cref="InvalidAdapterException">A setting has a value of the wrong type.</exception>
    public PeftTargets(JsonSettings settings)
    {
        bool isPattern = settings.Json[Setting] is JsonValue value && value.GetValueKind() == JsonValueKind.String;
        _pattern = isPattern ? settings.Text(Setting) : null;
        _endings = isPattern ? null : settings.Texts(Setting);
        _layers = new TargetLayers(settings);
        _settings = settings;
    }

    /// <summary>
    /// Whether the settings say of exactly these modules that they are targets, as far as that can be seen without the base: each is named and
    /// not excluded, and nothing is named that is not there. An expression that cannot be used is taken to be right.
    /// </summary>
    public bool AreExactly(IReadOnlyList<string> modules) =>
        (_endings is not null || _pattern is { Length: > 0 }) && !modules.Any(IsExcluded)
        && !IssuesOf(modules).Any(issue => issue.Severity == IssueSeverity.Warning);

    /// <summary>Whether the settings name a module, layers and exclusions aside.</summary>
    public bool Names(string module)
    {
        if (_endings is not null) return Endings(module).Intersect(_endings).Any();
        return _pattern == "all-linear" || (_pattern is { Length: > 0 } pattern && !ByPattern(pattern, [module]).Exists(issue => issue.Code == "untargeted_module"));
    }

    private bool IsExcluded(string module)
    {
        const string setting = "exclude_modules";
        if (_settings.Json[setting] is not JsonValue) return _settings.Texts(setting)?.Intersect(Endings(module)).Any() ?? false;
        if (_settings.Text(setting) is not { Length: > 0 } pattern) return false;
        try
        {
            return PythonPattern.Whole(pattern).IsMatch(module);
        }
        catch (Exception cannot) when (cannot is FormatException or RegexMatchTimeoutException)
        {
            return false;
        }
    }

    /// <summary>Modules of the file that are no targets, and targets without a module.</summary>
    public IEnumerable<AdapterIssue> IssuesOf(IReadOnlyList<string> modules)
    {
        if (modules.Count == 0) return [];
        if (_endings is not null) return ByEnding(_endings, modules);
        return _pattern is { Length: > 0 } pattern && pattern != "all-linear" ? ByPattern(pattern, modules) : [];
    }

    /// <summary>A list names modules, or the ends of their names from a dot on; layers can only be chosen together with a list.</summary>
    private IEnumerable<AdapterIssue> ByEnding(IReadOnlyList<string> endings, IReadOnlyList<string> modules)
    {
        HashSet<string> wanted = new(endings, StringComparer.Ordinal);
        HashSet<string> matched = new(StringComparer.Ordinal);
        foreach (string module in modules)
        {
            List<string> found = [.. Endings(module).Where(wanted.Contains)];
            matched.UnionWith(found);
            if (found.Count == 0 || !_layers.Contains(module)) yield return Untargeted(module);
        }

        foreach (string ending in wanted.Except(matched).Order(StringComparer.Ordinal))
        {
            yield return new("target_matches_nothing", IssueSeverity.Warning,
                $"{Setting} '{Printable.Text(ending)}' matches no module of the file", Setting);
        }
    }

    private static IEnumerable<string> Endings(string module)
    {
        yield return module;
        for (int dot = module.IndexOf('.'); dot >= 0; dot = module.IndexOf('.', dot + 1))
        {
            yield return module[(dot + 1)..];
        }
    }

    private static List<AdapterIssue> ByPattern(string pattern, IReadOnlyList<string> modules)
    {
        List<AdapterIssue> issues = [];
        try
        {
            PythonPattern target = PythonPattern.Whole(pattern);
            issues.AddRange(modules.Where(module => !target.IsMatch(module)).Select(Untargeted));
        }
        catch (Exception cannot) when (cannot is FormatException or RegexMatchTimeoutException)
        {
            string why = cannot is FormatException ? cannot.Message : "it takes too long";
            issues.Add(new("target_not_checked", IssueSeverity.Info, $"{Setting} is not compared with the file: {why}", Setting));
        }

        return issues;
    }

    private static AdapterIssue Untargeted(string module) => new("untargeted_module", IssueSeverity.Warning,
        $"module '{Printable.Text(module)}' has factors, but {Setting} does not name it: PEFT would silently leave it out", module);
}

using LoraKit.Formats.Adapters;

namespace LoraKit.Tool.Render;

/// <summary>What an adapter that was read gives reason to warn of.</summary>
internal static class AdapterWarnings
{
    public static IEnumerable<string> Of(string path, IEnumerable<AdapterIssue> issues)
    {
        foreach (AdapterIssue issue in issues.Where(i => i.Severity == IssueSeverity.Warning))
        {
            string where = IssuePlace.Of(issue) is { } place ? $": {place}" : "";
            yield return $"'{path}': {issue.Message}{where}";
        }
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Tool.Render;

/// <summary>Where an issue is.</summary>
internal static class IssuePlace
{
    /// <summary>The module, tensor or setting; null where there is none or the message names it already.</summary>
    public static string? Of(AdapterIssue issue) =>
        issue.Where is { } where && !issue.Message.Contains(Printable.Text(where), StringComparison.Ordinal) ? where : null;

    /// <summary>An adapter's warnings, one line each.</summary>
    public static IEnumerable<string> Warnings(string adapter, IEnumerable<AdapterIssue> issues)
    {
        foreach (AdapterIssue issue in issues.Where(i => i.Severity == IssueSeverity.Warning))
        {
            yield return $"'{adapter}': {issue.Message}{(Of(issue) is { } place ? $": {place}" : "")}";
        }
    }
}

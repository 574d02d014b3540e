using LoraKit.Formats.Adapters;
using LoraKit.Ops.Merge;

namespace LoraKit.Tool.Render;

/// <summary>What a plan gives reason to warn of.</summary>
internal static class MergeWarnings
{
    public static IEnumerable<string> Of(MergePlan plan)
    {
        foreach (string warning in plan.Warnings)
        {
            yield return warning;
        }

        foreach (MergeAdapter adapter in plan.Adapters)
        {
            foreach (AdapterIssue issue in adapter.Issues.Where(i => i.Severity == IssueSeverity.Warning))
            {
                string where = IssuePlace.Of(issue) is { } place ? $": {place}" : "";
                yield return $"'{adapter.Path}': {issue.Message}{where}";
            }
        }
    }
}

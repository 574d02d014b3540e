using LoraKit.Ops.Merge;

namespace LoraKit.Tool.Render;

/// <summary>What a plan gives reason to warn of.</summary>
internal static class MergeWarnings
{
    public static IEnumerable<string> Of(MergePlan plan) =>
        [.. plan.Warnings, .. plan.Adapters.SelectMany(adapter => IssuePlace.Warnings(adapter.Path, adapter.Issues))];
}

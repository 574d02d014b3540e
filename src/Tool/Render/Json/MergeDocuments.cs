using LoraKit.Ops.Merge;
using LoraKit.Ops.Verify;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>Fills <see cref="MergeDocument"/>.</summary>
internal static class MergeDocuments
{
    public static MergeDocument OfPlan(MergePlan plan, IReadOnlyList<string> warnings) => new()
    {
        Command = MergeCommand.Name,
        Ok = true,
        Base = plan.Options.Base,
        Adapters = Adapters(plan),
        Out = plan.Options.Output,
        DryRun = true,
        TensorsTotal = plan.Tensors.Count,
        TensorsChanged = plan.Tensors.Count(t => t.Action != TensorAction.Copy),
        TensorsCopied = plan.Tensors.Count(t => t.Action == TensorAction.Copy),
        BytesWritten = plan.OutputBytes,
        Unmatched = plan.Unmatched,
        Seconds = null,
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Shards = Shards(plan.Shards),
        Undo = plan.Options.UndoRecord is { } undo ? new(undo, null, null, null) : null,
        Requantised = plan.TensorsRequantised > 0 ? new(plan.TensorsRequantised, null) : null,
        Tensors =
        [
            .. plan.Tensors.Select(t => new PlannedTensorBody(
                t.Name, MergeText.Action(t.Action), t.TypeName, t.Shape.Sizes, t.File, t.Updates)),
        ],
        OtherFiles = plan.OtherFiles,
        Warnings = warnings,
    };

    public static MergeDocument OfReport(MergePlan plan, MergeReport report, Verification? verified, IReadOnlyList<string> warnings) => new()
    {
        Command = MergeCommand.Name,
        Ok = verified?.Valid != false,
        Base = plan.Options.Base,
        Adapters = Adapters(plan),
        Out = report.Output,
        DryRun = false,
        TensorsTotal = report.TensorsTotal,
        TensorsChanged = report.TensorsChanged,
        TensorsCopied = report.TensorsCopied,
        BytesWritten = report.BytesWritten,
        Unmatched = plan.Unmatched,
        Seconds = JsonOutput.Seconds(report.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Shards = Shards(report.Shards),
        Undo = report.Undo is { } undo ? new(undo.Path, undo.Bytes, undo.Repaired, undo.ChangedBytes) : null,
        Requantised = report.TensorsRequantised > 0 ? new(report.TensorsRequantised, report.RequantisationChange) : null,
        Verified = verified is null ? null : VerifiedBody.Of(verified),
        Warnings = warnings,
    };

    private static IReadOnlyList<MergeAdapterBody> Adapters(MergePlan plan) =>
        [.. plan.Adapters.Select(a => new MergeAdapterBody(a.Path, a.Weight, a.Layout, a.Modules))];

    private static IReadOnlyList<ShardBody> Shards(IReadOnlyList<PlannedFile> files) =>
        [.. files.Select(f => new ShardBody(f.RelativePath, f.Bytes, f.Tensors))];
}

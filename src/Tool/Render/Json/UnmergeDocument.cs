using LoraKit.Ops.Unmerge;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>unmerge --json</c> prints; of a plan, with nulls for what only running tells.</summary>
internal sealed record UnmergeDocument : CommandDocument
{
    public required string Merged { get; init; }

    public required string Method { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required int TensorsTotal { get; init; }

    public required int TensorsRestored { get; init; }

    public required int TensorsCopied { get; init; }

    public required long? ElementsRepaired { get; init; }

    public required long? MayDiffer { get; init; }

    public required long BytesWritten { get; init; }

    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }

    public static UnmergeDocument OfPlan(UnmergePlan plan) => new()
    {
        Command = UnmergeCommand.Name,
        Ok = true,
        Merged = plan.Options.Merged,
        Method = UnmergeText.Method(plan.Method),
        Out = plan.Options.Output,
        DryRun = true,
        TensorsTotal = plan.TensorsTotal,
        TensorsRestored = plan.TensorsRestored,
        TensorsCopied = plan.TensorsTotal - plan.TensorsRestored,
        ElementsRepaired = null,
        MayDiffer = null,
        BytesWritten = plan.OutputBytes,
        Seconds = null,
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = plan.Warnings,
    };

    public static UnmergeDocument OfReport(UnmergePlan plan, UnmergeReport report) => OfPlan(plan) with
    {
        Out = report.Output,
        DryRun = false,
        TensorsRestored = report.TensorsRestored,
        TensorsCopied = report.TensorsCopied,
        ElementsRepaired = report.ElementsRepaired,
        MayDiffer = report.MayDiffer,
        BytesWritten = report.BytesWritten,
        Seconds = JsonOutput.Seconds(report.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = [.. plan.Warnings, .. report.Warnings],
    };
}

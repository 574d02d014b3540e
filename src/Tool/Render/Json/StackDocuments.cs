using LoraKit.Ops.Stack;

namespace LoraKit.Tool.Render.Json;

/// <summary>Fills <see cref="StackDocument"/>.</summary>
internal static class StackDocuments
{
    private const string Name = "stack";

    public static StackDocument OfPlan(StackPlan plan, IReadOnlyList<string> warnings) => new()
    {
        Command = Name,
        Ok = true,
        Inputs = Inputs(plan),
        Method = plan.Options.Method,
        Out = plan.Options.Output.Path,
        DryRun = true,
        Modules = [.. plan.Modules.Select(m => new StackModuleBody(m.Name, m.Ranks, m.RankAtMost, null))],
        RelativeError = null,
        BytesWritten = null,
        Seconds = null,
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = warnings,
    };

    public static StackDocument OfReport(StackPlan plan, StackReport report, IReadOnlyList<string> warnings) => new()
    {
        Command = Name,
        Ok = true,
        Inputs = Inputs(plan),
        Method = plan.Options.Method,
        Out = report.Output,
        DryRun = false,
        Modules = [.. report.Modules.Select(m => new StackModuleBody(m.Name, m.Ranks, m.RankAfter, JsonOutput.Finite(m.RelativeError)))],
        RelativeError = JsonOutput.Finite(report.RelativeError),
        BytesWritten = report.BytesWritten,
        Seconds = Math.Round(report.Elapsed.TotalSeconds, 3),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = warnings,
    };

    private static IReadOnlyList<StackInputBody> Inputs(StackPlan plan) =>
        [.. plan.Inputs.Select(input => new StackInputBody(input.Path, input.Weight, input.Layout, input.Modules))];
}

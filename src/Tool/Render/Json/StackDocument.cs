using LoraKit.Ops.Stack;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>stack --json</c> prints: of a stack, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record StackDocument : CommandDocument
{
    public required IReadOnlyList<StackInputBody> Inputs { get; init; }

    public required string Method { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<StackModuleBody> Modules { get; init; }

    public required double? RelativeError { get; init; }

    /// <summary>Null in a plan.</summary>
    public required long? BytesWritten { get; init; }

    /// <summary>Null in a plan.</summary>
    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }

    public static StackDocument Of(StackPlan plan, StackReport? report, IReadOnlyList<string> warnings) => new()
    {
        Command = StackCommand.Name,
        Ok = true,
        Inputs = [.. plan.Inputs.Select(input => new StackInputBody(input.Path, input.Weight, input.Layout, input.Modules))],
        Method = plan.Options.Method,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Modules = report is null
            ? [.. plan.Modules.Select(m => new StackModuleBody(m.Name, m.Ranks, m.RankAtMost, null))]
            : [.. report.Modules.Select(m => new StackModuleBody(m.Name, m.Ranks, m.RankAfter, JsonOutput.Finite(m.RelativeError)))],
        RelativeError = JsonOutput.Finite(report?.RelativeError),
        BytesWritten = report?.BytesWritten,
        Seconds = JsonOutput.Seconds(report?.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = warnings,
    };
}

/// <summary>One adapter of a stack.</summary>
internal sealed record StackInputBody(string Path, double Weight, string Layout, int Modules);

/// <summary>One module of a stack; in a plan <paramref name="RankAfter"/> is the largest that it can have.</summary>
internal sealed record StackModuleBody(string Name, IReadOnlyList<long> Ranks, long RankAfter, double? RelativeError);

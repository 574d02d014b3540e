using LoraKit.Ops.Extract;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>extract --json</c> prints: of an extraction, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record ExtractDocument : CommandDocument
{
    public required string Base { get; init; }

    public required string Tuned { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<ExtractedModuleBody> Modules { get; init; }

    public required IReadOnlyList<string> Full { get; init; }

    public required int Skipped { get; init; }

    public required IReadOnlyList<string> LeftOut { get; init; }

    /// <summary>Null in a plan, as all that is computed.</summary>
    public required double? RelativeError { get; init; }

    public required long? BytesWritten { get; init; }

    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }

    public static ExtractDocument Of(ExtractPlan plan, ExtractReport? report) => new()
    {
        Command = ExtractCommand.Name,
        Ok = true,
        Base = plan.Options.Base,
        Tuned = plan.Options.Tuned,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Modules = report is null
            ? [.. plan.Modules.Select(name => new ExtractedModuleBody(name, null, null, null))]
            : [.. report.Modules.Select(m => new ExtractedModuleBody(m.Name, m.Rank, JsonOutput.Finite(m.EnergyKept), JsonOutput.Finite(m.RelativeError)))],
        Full = plan.Full,
        Skipped = report?.Skipped ?? plan.Skipped,
        LeftOut = plan.LeftOut,
        RelativeError = JsonOutput.Finite(report?.RelativeError),
        BytesWritten = report?.BytesWritten,
        Seconds = JsonOutput.Seconds(report?.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = [.. plan.Warnings, .. report?.Warnings ?? []],
    };
}

/// <summary>One low-rank update.</summary>
internal sealed record ExtractedModuleBody(string Name, int? Rank, double? EnergyKept, double? RelativeError);

using LoraKit.Ops.Conversion;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>convert --json</c> prints: of a conversion, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record ConvertDocument : CommandDocument
{
    public required string Path { get; init; }

    public required string From { get; init; }

    public required string To { get; init; }

    public required string? Base { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<ConvertedModuleBody> Modules { get; init; }

    /// <summary>Null in a plan, as all that is computed.</summary>
    public required double? RelativeError { get; init; }

    public required long? BytesWritten { get; init; }

    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }

    public static ConvertDocument Of(ConvertPlan plan, ConvertReport? report, IReadOnlyList<string> warnings) => new()
    {
        Command = ConvertCommand.Name,
        Ok = true,
        Path = plan.Options.Adapter.Path,
        From = plan.Layout,
        To = plan.Options.Layout,
        Base = plan.Options.Base,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Modules =
        [
            .. (report?.Modules ?? plan.Modules).Select(m => new ConvertedModuleBody(
                m.Name, m.Kind, m.Form.ToString().ToLowerInvariant(), m.Rank, JsonOutput.Finite(m.RelativeError),
                JsonOutput.Finite(m.LargestSingularValue), JsonOutput.Finite(m.SmallestSingularValue))),
        ],
        RelativeError = JsonOutput.Finite(report?.RelativeError),
        BytesWritten = report?.BytesWritten,
        Seconds = JsonOutput.Seconds(report?.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = [.. warnings, .. report?.Warnings ?? []],
    };
}

/// <summary>One update.</summary>
internal sealed record ConvertedModuleBody(
    string Name, string Kind, string Form, long? Rank, double? RelativeError, double? LargestSingularValue, double? SmallestSingularValue);

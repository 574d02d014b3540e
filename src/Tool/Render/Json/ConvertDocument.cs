using LoraKit.Ops.Conversion;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>convert --json</c> prints: of a conversion, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record ConvertDocument : CommandDocument
{
    public required string Path { get; init; }

    public required string From { get; init; }

    public required string To { get; init; }

    public required string? Architecture { get; init; }

    public required string? Base { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<ConvertedModuleBody> Modules { get; init; }

    public required IReadOnlyList<WrittenModuleBody> Written { get; init; }

    /// <summary>Null in a plan, as all that is computed.</summary>
    public required int? Folded { get; init; }

    public required IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public required long? Flushed { get; init; }

    public required long? Subnormal { get; init; }

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
        Architecture = plan.Architecture,
        Base = plan.Options.Base,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Modules =
        [
            .. (report?.Modules ?? plan.Modules).Select(m => new ConvertedModuleBody(
                m.Name, m.Kind, m.Form.ToString().ToLowerInvariant(), m.Rank, JsonOutput.Finite(m.RelativeError),
                JsonOutput.Finite(m.LargestSingularValue), JsonOutput.Finite(m.SmallestSingularValue))),
        ],
        Written = [.. (report?.Written ?? plan.Written).Select(m => new WrittenModuleBody(m.Name, m.From))],
        Folded = report?.Folded,
        Metadata = report?.Metadata,
        Flushed = report?.Flushed,
        Subnormal = report?.Subnormal,
        RelativeError = JsonOutput.Finite(report?.RelativeError),
        BytesWritten = report?.BytesWritten,
        Seconds = JsonOutput.Seconds(report?.Elapsed),
        PeakMemoryBytes = ProcessMemory.PeakBytes,
        Warnings = [.. warnings, .. report?.Warnings ?? []],
    };
}

/// <summary>A module of the result.</summary>
internal sealed record WrittenModuleBody(string Name, IReadOnlyList<string> From);

/// <summary>One update.</summary>
internal sealed record ConvertedModuleBody(
    string Name, string Kind, string Form, long? Rank, double? RelativeError, double? LargestSingularValue, double? SmallestSingularValue);

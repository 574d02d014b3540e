using LoraKit.Ops.Resize;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>resize-rank --json</c> prints: of a resize, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record ResizeDocument : CommandDocument
{
    public required string Path { get; init; }

    public required string Layout { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<ResizedModuleBody> Modules { get; init; }

    public required long BytesBefore { get; init; }

    /// <summary>What was written; what would be, in a plan.</summary>
    public required long BytesAfter { get; init; }

    public required double? RelativeError { get; init; }

    public static ResizeDocument Of(ResizePlan plan, ResizeReport? report, IReadOnlyList<string> warnings) => new()
    {
        Command = ResizeRankCommand.Name,
        Ok = true,
        Path = plan.Options.Adapter,
        Layout = plan.Layout,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Modules =
        [
            .. plan.Modules.Select(m => new ResizedModuleBody(
                m.Name, m.RankBefore, m.RankAfter, JsonOutput.Finite(m.EnergyKept), JsonOutput.Finite(m.RelativeError))),
        ],
        BytesBefore = plan.BytesBefore,
        BytesAfter = report?.BytesAfter ?? plan.BytesAfter,
        RelativeError = JsonOutput.Finite(plan.RelativeError),
        Warnings = warnings,
    };
}

/// <summary>One module at its new rank.</summary>
internal sealed record ResizedModuleBody(string Name, long RankBefore, long RankAfter, double? EnergyKept, double? RelativeError);

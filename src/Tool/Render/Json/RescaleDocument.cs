using LoraKit.Ops.Rescale;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>rescale --json</c> prints: of a rescale, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record RescaleDocument : CommandDocument
{
    public required string Path { get; init; }

    public required string Layout { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required bool Folded { get; init; }

    public required IReadOnlyList<RescaledModuleBody> Modules { get; init; }

    /// <summary>Null where no norm was asked for.</summary>
    public required double? NormBefore { get; init; }

    public required double? NormAfter { get; init; }

    /// <summary>Null in a plan.</summary>
    public required long? BytesWritten { get; init; }

    public static RescaleDocument Of(RescalePlan plan, RescaleReport? report, IReadOnlyList<string> warnings) => new()
    {
        Command = RescaleCommand.Name,
        Ok = true,
        Path = plan.Options.Adapter,
        Layout = plan.Layout,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Folded = plan.Options.Fold,
        Modules = [.. plan.Modules.Select(m => new RescaledModuleBody(m.Name, m.ScaleBefore, m.ScaleAfter, m.SplitQkv))],
        NormBefore = JsonOutput.Finite(plan.NormBefore),
        NormAfter = JsonOutput.Finite(plan.NormAfter),
        BytesWritten = report?.BytesWritten,
        Warnings = warnings,
    };
}

/// <summary>One update and its scales.</summary>
internal sealed record RescaledModuleBody(string Name, double ScaleBefore, double ScaleAfter, int? SplitQkv);

using System.Globalization;
using LoraKit.Ops.Diff;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>diff --json</c> prints.</summary>
internal sealed record DiffDocument : CommandDocument
{
    public required string A { get; init; }

    public required string B { get; init; }

    public required bool Equal { get; init; }

    public required IReadOnlyList<DifferenceBody> Tensors { get; init; }

    public required double? MaxAbs { get; init; }

    public required double? Relative { get; init; }

    public required double? Tolerance { get; init; }

    public static DiffDocument Of(DiffOptions options, DiffReport report, double? tolerance, bool ok) => new()
    {
        Command = DiffCommand.Name,
        Ok = ok,
        A = options.A,
        B = options.B,
        Equal = report.Equal,
        Tensors =
        [
            .. report.Tensors.Select(t => new DifferenceBody(
                t.Name, DiffText.Status(t.Status), JsonOutput.Finite(t.MaxAbs), JsonOutput.Finite(t.Relative), t.MaxUlp, t.Differing, t.Count, JsonOutput.Finite(t.Cosine),
                t.UlpHistogram.ToDictionary(u => u.Key.ToString(CultureInfo.InvariantCulture), u => u.Value))),
        ],
        MaxAbs = JsonOutput.Finite(report.MaxAbs),
        Relative = JsonOutput.Finite(report.Relative),
        Tolerance = tolerance,
        Warnings = report.Warnings,
    };
}

/// <summary>One tensor, or one module's update.</summary>
internal sealed record DifferenceBody(
    string Name, string Status, double? MaxAbs, double? Relative, ulong? MaxUlp, long Differing, long Count, double? Cosine,
    IReadOnlyDictionary<string, long> UlpHistogram);

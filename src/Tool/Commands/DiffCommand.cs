using System.CommandLine;
using LoraKit.Ops.Diff;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>diff A B</c>: how two adapters or two checkpoints differ.</summary>
internal static class DiffCommand
{
    public const string Name = "diff";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> a = new("A") { Description = "An adapter or checkpoint: what differences are measured against" };
        Argument<string> b = new("B") { Description = "What is compared with it: an adapter, or a checkpoint" };
        Option<double?> tolerance = NumberOption.FromZero(
            "--tolerance", "X",
            "Exit with 1 only where a tensor's relative difference is above this, or names or shapes differ (default: where anything differs)");
        Option<int> threads = ThreadsOption.Create();
        Command command = new(Name, "Compare two adapters by their updates, or two checkpoints by their tensors") { a, b, tolerance, threads };
        ReadingOptions reading = new(command);
        OutputOptions output = new(command);
        command.SetAction(parsed =>
        {
            DiffOptions options = new()
            {
                A = PathArgument.Resolve(parsed.GetRequiredValue(a), environment),
                B = PathArgument.Resolve(parsed.GetRequiredValue(b), environment),
                Reading = reading.Read(parsed),
                Threads = parsed.GetValue(threads),
            };
            return Run(environment, output.Read(parsed), options, parsed.GetValue(tolerance));
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, DiffOptions options, double? tolerance)
    {
        using Interruption interruption = environment.Interruptible();
        DiffReport report = ProgressDisplay.Run(environment, output, "comparing", progress => DiffReport.Run(options, progress, interruption.Token));
        int code = (tolerance is { } most ? report.IsWithin(most) : report.Equal) ? ExitCode.Done : ExitCode.Finding;
        Warnings.Write(environment, output, report.Warnings);
        if (output.Json) JsonOutput.Write(environment.Output, DiffDocument.Of(options, report, tolerance, code == ExitCode.Done));
        else DiffText.Write(environment.Output, report, output.Verbose);
        return code;
    }
}

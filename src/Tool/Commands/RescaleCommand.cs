using System.CommandLine;
using LoraKit.Ops.Rescale;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>rescale PATH --out PATH</c>: an adapter of another strength.</summary>
internal static class RescaleCommand
{
    private const string Name = "rescale";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("The adapter: a folder, a file, or a model id in the Hugging Face cache");
        Option<double?> by = NumberOption.Decimal("--by", "X", "Multiply every scale by this");
        Option<double?> alpha = NumberOption.Decimal("--alpha", "A", "Set every alpha to this");
        Option<double?> norm = NumberOption.Decimal("--norm", "N", "Give the whole update this Frobenius norm");
        Option<string?> match = new("--match") { Description = "Give the whole update the Frobenius norm of this adapter's", HelpName = "OTHER" };
        Option<bool> fold = new("--fold") { Description = "Put the scale into B, so that alpha is the rank" };
        Option<bool> fix = new("--fix-split-qkv") { Description = "Give kohya Flux modules trained with split_qkv the alpha they lack (3 or 4 times)" };
        Option<string?> include = new("--include") { Description = "Only modules whose name this matches", HelpName = "REGEX" };
        Option<string?> exclude = new("--exclude") { Description = "No modules whose name this matches", HelpName = "REGEX" };
        Option<int> threads = ThreadsOption.Create();
        Command command = new(Name, "Change an adapter's strength: alpha, or with --fold B; nothing else is touched")
        {
            path, by, alpha, norm, match, fold, fix, include, exclude,
        };
        AdapterOutputOptions output = new(command);
        command.Options.Add(threads);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (Ops.Adapters.AdapterOutput written, bool dryRun) = output.Read(parsed);
            RescaleAmount?[] amounts =
            [
                parsed.GetValue(by) is { } factor ? new RescaleAmount.By(factor) : null,
                parsed.GetValue(alpha) is { } value ? new RescaleAmount.Alpha(value) : null,
                parsed.GetValue(norm) is { } length ? new RescaleAmount.Norm(length) : null,
                parsed.GetValue(match) is { } other ? new RescaleAmount.Match(PathArgument.Resolve(other, environment)) : null,
            ];
            RescaleOptions options = new()
            {
                Adapter = PathArgument.Resolve(parsed.GetRequiredValue(path), environment),
                Output = written,
                Amount = OneOf.Given(amounts, [by, alpha, norm, match]),
                Fold = parsed.GetValue(fold),
                FixSplitQkv = parsed.GetValue(fix),
                Include = parsed.GetValue(include),
                Exclude = parsed.GetValue(exclude),
                Threads = parsed.GetValue(threads),
            };
            return Run(environment, speech.Read(parsed), options, dryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, RescaleOptions options, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using RescalePlan plan = ProgressDisplay.Run(environment, output, "measuring", progress => RescalePlan.Create(options, progress, interruption.Token));
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. AdapterWarnings.Of(options.Adapter, plan.Issues)];
        if (!output.Quiet) Warnings.Write(environment.Messages, warnings);
        RescaleReport? report = dryRun ? null : ProgressDisplay.Run(environment, output, "rescaling", progress => plan.Run(progress, interruption.Token));
        if (output.Json) JsonOutput.Write(environment.Output, Document(plan, report, warnings));
        else WriteText(environment.Output, plan, report, output.Verbose);
        return ExitCode.Done;
    }

    private static void WriteText(TextWriter output, RescalePlan plan, RescaleReport? report, bool everything)
    {
        if (everything || report is null)
        {
            TextTable table = new(">modules", ">scale", ">new", "");
            foreach (var group in plan.Modules.GroupBy(m => everything ? m with { } : m with { Name = "" }))
            {
                string split = group.Key.SplitQkv is { } parts ? $"split_qkv × {parts}" : "";
                table.Add(
                    everything ? group.Key.Name : Words.Count(group.Count()), Words.Number(group.Key.ScaleBefore), Words.Number(group.Key.ScaleAfter), split);
            }

            table.Write(output);
        }

        string fixedModules = plan.Options.FixSplitQkv ? $", {Words.Count(plan.Modules.Count(m => m.SplitQkv is not null))} trained with split_qkv" : "";
        string norm = plan.NormBefore is { } before ? $", norm {Words.Number(before)} to {Words.Number(plan.NormAfter)}" : "";
        string done = report is null ? $"would rescale into '{plan.Options.Output.Path}'" : $"rescaled into '{report.Output}'";
        output.WriteLine(TerminalText.Escape(
            $"{done}: {Words.Count(plan.Modules.Count(m => m.ScaleAfter != m.ScaleBefore))} of {Words.Count(plan.Modules.Count, "scale")} changed{fixedModules}{norm}"));
    }

    private static RescaleDocument Document(RescalePlan plan, RescaleReport? report, IReadOnlyList<string> warnings) => new()
    {
        Command = Name,
        Ok = true,
        Path = plan.Options.Adapter,
        Layout = plan.Layout,
        Out = plan.Options.Output.Path,
        DryRun = report is null,
        Folded = plan.Options.Fold,
        Modules = [.. plan.Modules.Select(m => new RescaledModuleBody(m.Name, m.ScaleBefore, m.ScaleAfter, m.SplitQkv))],
        NormBefore = plan.NormBefore,
        NormAfter = plan.NormAfter,
        BytesWritten = report?.BytesWritten,
        Warnings = warnings,
    };
}

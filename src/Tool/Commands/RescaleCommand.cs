using System.CommandLine;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Rescale;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>rescale PATH --out PATH</c>: an adapter of another strength.</summary>
internal static class RescaleCommand
{
    public const string Name = "rescale";

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
            (AdapterOutput written, bool dryRun) = output.Read(parsed);
            RescaleAmount?[] amounts =
            [
                parsed.GetValue(by) is { } factor ? new RescaleAmount.By(factor) : null,
                parsed.GetValue(alpha) is { } value ? new RescaleAmount.Alpha(value) : null,
                parsed.GetValue(norm) is { } length ? new RescaleAmount.Norm(length) : null,
                PathArgument.Resolve(parsed, match, environment) is { } other ? new RescaleAmount.Match(other) : null,
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
        Warnings.Write(environment, output, warnings);
        RescaleReport? report = dryRun ? null : ProgressDisplay.Run(environment, output, "rescaling", progress => plan.Run(progress, interruption.Token));
        if (output.Json) JsonOutput.Write(environment.Output, RescaleDocument.Of(plan, report, warnings));
        else RescaleText.Write(environment.Output, plan, report, output.Verbose);
        return ExitCode.Done;
    }
}

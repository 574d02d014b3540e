using System.CommandLine;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Resize;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>resize-rank PATH --out PATH</c>: an adapter at other ranks.</summary>
internal static class ResizeRankCommand
{
    public const string Name = "resize-rank";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("The adapter: a folder, a file, or a model id in the Hugging Face cache");
        Command command = new(Name, "Change an adapter's ranks: the nearest update of the new rank, module by module") { path };
        RankPolicyOptions policy = new(command);
        Option<int?> most = NumberOption.Whole("--max-rank", "R", "No module gets more than this (not with --rank)");
        Option<int?> least = NumberOption.Whole("--min-rank", "R", "No module gets fewer than this, as far as it has them (not with --rank) (default: 1)");
        Option<int?> conv = NumberOption.Whole("--conv-rank", "R", "For modules with a kernel: the rank with --rank, else the most they get");
        Option<FactorBalance?> balance = ChoiceOption.Create<FactorBalance>(
            "--balance", "FACTOR", "Which factor carries the singular values: b, sqrt (both) or a (default: b)", "factor",
            ("b", FactorBalance.B), ("sqrt", FactorBalance.Sqrt), ("a", FactorBalance.A));
        command.Options.Add(most);
        command.Options.Add(least);
        command.Options.Add(conv);
        command.Options.Add(balance);
        AdapterOutputOptions output = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (AdapterOutput written, bool dryRun) = output.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            ResizeOptions options = new()
            {
                Adapter = PathArgument.Resolve(parsed.GetRequiredValue(path), environment),
                Output = written,
                Policy = policy.Read(parsed),
                MaxRank = parsed.GetValue(most),
                MinRank = parsed.GetValue(least),
                ConvRank = parsed.GetValue(conv),
                Balance = parsed.GetValue(balance) ?? FactorBalance.B,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, dryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, ResizeOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using ComputeHost host = ComputeHost.Build(computing);
        using ResizePlan plan = ProgressDisplay.Run(environment, output, "decomposing", progress =>
            ResizePlan.Create(options, host.Compute, progress, interruption.Token));
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. AdapterWarnings.Of(options.Adapter, plan.Issues)];
        Warnings.Write(environment, output, warnings);
        ResizeReport? report = dryRun ? null : ProgressDisplay.Run(environment, output, "resizing", progress =>
            plan.Run(host.Compute, progress, interruption.Token));
        if (output.Json) JsonOutput.Write(environment.Output, ResizeDocument.Of(plan, report, warnings));
        else ResizeText.Write(environment.Output, plan, report, output.Verbose);
        return ExitCode.Done;
    }
}

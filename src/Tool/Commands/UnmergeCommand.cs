using System.CommandLine;
using LoraKit.Ops;
using LoraKit.Ops.Unmerge;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>unmerge --merged PATH --out PATH</c> and one of <c>--undo</c>, <c>--adapter</c>, <c>--base</c>.</summary>
internal static class UnmergeCommand
{
    public const string Name = "unmerge";

    public static Command Create(ToolEnvironment environment)
    {
        Option<string> merged = PathArgument.RequiredOption("--merged", "The merged model: a safetensors file, a folder, or a model id in the Hugging Face cache");
        Option<string> output = PathArgument.RequiredOption("--out", "Where the base goes: a folder, or a .safetensors file if the base is one file");
        Option<string?> undo = new("--undo") { Description = "The record of merge --undo: restores every bit", HelpName = "FILE" };
        Option<string?> basePath = PathArgument.Option("--base", "The base: compared with the merged model, and copied");
        Option<AdapterInput[]> adapters = AdapterOption.Create(
            "With --undo: where the adapters are now; with --base: what was merged, to check it; alone: what to subtract, with @WEIGHT", required: false);
        Command command = new(Name, "Take a merge back: to the bit with its undo record or the base, else by subtracting")
        {
            merged, output, undo, basePath, adapters,
        };
        ReadingOptions reading = new(command);
        WriteOptions write = new(command);
        Option<int> threads = ThreadsOption.Create();
        Option<long?> memory = MemoryOption.Create();
        command.Options.Add(threads);
        command.Options.Add(memory);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            WriteSettings writing = write.Read(parsed);
            UnmergeOptions options = new()
            {
                Merged = PathArgument.Resolve(parsed.GetRequiredValue(merged), environment),
                Output = parsed.GetRequiredValue(output),
                UndoRecord = parsed.GetValue(undo),
                Base = PathArgument.Resolve(parsed, basePath, environment),
                Adapters = AdapterOption.Resolve(parsed.GetValue(adapters) ?? [], reading.Read(parsed), environment),
                Overwrite = writing.Force,
                Flush = writing.Flush,
                Threads = parsed.GetValue(threads),
                MemoryBytes = MemoryOption.Read(parsed, memory),
            };
            return Run(environment, speech.Read(parsed), options, writing.DryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, UnmergeOptions options, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using UnmergePlan plan = UnmergePlan.Create(options);
        Warnings.Write(environment, output, plan.Warnings);
        if (dryRun)
        {
            if (output.Json) JsonOutput.Write(environment.Output, UnmergeDocument.OfPlan(plan));
            else UnmergeText.WritePlan(environment.Output, plan, output.Verbose);
            return ExitCode.Done;
        }

        UnmergeReport report = ProgressDisplay.Run(environment, output, "unmerging", progress => plan.Run(progress, interruption.Token));
        Warnings.Write(environment, output, report.Warnings);
        if (output.Json) JsonOutput.Write(environment.Output, UnmergeDocument.OfReport(plan, report));
        else UnmergeText.WriteReport(environment.Output, report);
        return ExitCode.Done;
    }
}

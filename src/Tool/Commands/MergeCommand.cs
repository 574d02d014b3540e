using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Verify;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>merge --base PATH --adapter A… --out PATH</c>.</summary>
internal static class MergeCommand
{
    public const string Name = "merge";

    public static Command Create(ToolEnvironment environment)
    {
        Option<string> basePath = PathArgument.RequiredOption("--base", "The base model: a safetensors or GGUF file, a folder, or a model id in the Hugging Face cache");
        Option<AdapterInput[]> adapters = AdapterOption.Create(
            "An adapter's folder or file, with @WEIGHT if its weight is not 1; several are added in one pass", required: true);
        Option<string> output = PathArgument.RequiredOption("--out", "Where the merged model goes: a folder, or a .safetensors file if the base is one file; a .gguf file if the base is one");
        Option<OrKeep<DType>?> dtype = ChoiceOption.Create<OrKeep<DType>>(
            "--dtype", "TYPE", "keep, f32, f16 or bf16: the element type of the output's floating-point tensors (default: keep)", "output type",
            (OrKeep<DType>.Word, default), ("f32", new(DType.F32)), ("f16", new(DType.F16)), ("bf16", new(DType.BF16)));
        Option<OrKeep<long>?> shardSize = SizeOption.CreateOrKeep(
            "--max-shard-size", "keep, or the size of tensors in one output file, such as 5GB (default: keep the base's files)");
        Option<string?> undo = new("--undo")
        {
            Description = "Write a record from which unmerge restores every bit of the base: a file beside the output",
            HelpName = "FILE",
        };
        Option<bool> allowUnmatched = new("--allow-unmatched") { Description = "Merge what matches and warn of the rest, instead of stopping" };
        Option<bool> requantise = new("--requantise") { Description = "Change tensors of a GGUF base that are stored as Q8_0 too: they are rounded to its blocks again" };
        Option<bool> verify = new("--verify") { Description = "Afterwards read the output back and check it against base + adapters; exit with 1 if it is not" };
        Command command = new(Name, "Merge adapters into a base model: W + Σ weight · scale · B · A, rounded once")
        {
            basePath, adapters, output, dtype, shardSize, undo, allowUnmatched, requantise, verify,
        };
        ReadingOptions reading = new(command);
        WriteOptions write = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            WriteSettings writing = write.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            MergeOptions options = new()
            {
                Base = PathArgument.Resolve(parsed.GetRequiredValue(basePath), environment),
                Adapters = AdapterOption.Resolve(parsed.GetRequiredValue(adapters), reading.Read(parsed), environment),
                Output = parsed.GetRequiredValue(output),
                OutputType = parsed.GetValue(dtype)?.Value,
                MaxShardBytes = parsed.GetValue(shardSize)?.Value,
                UndoRecord = parsed.GetValue(undo),
                AllowUnmatched = parsed.GetValue(allowUnmatched),
                Requantise = parsed.GetValue(requantise),
                Overwrite = writing.Force,
                Flush = writing.Flush,
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, writing.DryRun, parsed.GetValue(verify));
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, MergeOptions options, ComputeSettings computing, bool dryRun, bool verify)
    {
        using Interruption interruption = environment.Interruptible();
        using MergePlan plan = MergePlan.Create(options);
        if (verify && plan.TensorsRequantised > 0) throw new InvalidOptionException("what is rounded to Q8_0 again is not verified; leave --verify out");
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. plan.Adapters.SelectMany(a => AdapterWarnings.Of(a.Path, a.Issues))];
        Warnings.Write(environment, output, warnings);
        if (dryRun)
        {
            if (output.Json) JsonOutput.Write(environment.Output, MergeDocuments.OfPlan(plan, warnings));
            else MergeText.WritePlan(environment.Output, plan, output.Verbose);
            return ExitCode.Done;
        }

        using ComputeHost host = ComputeHost.Build(computing);
        MergeReport report = ProgressDisplay.Run(environment, output, "merging", progress =>
            plan.Run(host.Compute, progress, interruption.Token));
        Verification? verified = verify ? Verify(environment, output, options, interruption.Token) : null;
        if (output.Json) JsonOutput.Write(environment.Output, MergeDocuments.OfReport(plan, report, verified, warnings));
        else MergeText.WriteReport(environment.Output, report);
        if (!output.Json && verified is not null) VerifyText.Write(environment.Output, report.Output, verified, output.Verbose);
        return verified?.Valid == false ? ExitCode.Finding : ExitCode.Done;
    }

    private static Verification Verify(ToolEnvironment environment, OutputSettings output, MergeOptions merge, CancellationToken cancellation)
    {
        VerifyOptions options = new(merge.Output) { Base = merge.Base, Adapters = merge.Adapters, AllowUnmatched = merge.AllowUnmatched, Threads = merge.Threads };
        return ProgressDisplay.Run(environment, output, "verifying", progress => Verification.Run(options, progress, cancellation));
    }
}

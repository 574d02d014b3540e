using System.CommandLine;
using System.CommandLine.Parsing;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>merge --base PATH --adapter A… --out PATH</c>.</summary>
internal static class MergeCommand
{
    private const string Name = "merge";

    public static Command Create(ToolEnvironment environment)
    {
        Option<string> basePath = new("--base")
        {
            Description = "The base model: a safetensors file, a folder, or a model id in the Hugging Face cache",
            HelpName = "PATH",
            Required = true,
        };
        Option<AdapterInput[]> adapters = new("--adapter")
        {
            Description = "An adapter's folder or file, with @WEIGHT if its weight is not 1; several are added in one pass",
            HelpName = "PATH[@WEIGHT]",
            Required = true,
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = true,
            CustomParser = ParseAdapters,
        };
        Option<string> output = new("--out")
        {
            Description = "Where the merged model goes: a folder, or a .safetensors file if the base is one file",
            HelpName = "PATH",
            Required = true,
        };
        Option<DType?> dtype = new("--dtype")
        {
            Description = "keep, f32, f16 or bf16: the element type of the output's floating-point tensors (default: keep)",
            HelpName = "TYPE",
            CustomParser = ParseType,
        };
        Option<long?> shardSize = SizeOption.Create(
            "--max-shard-size", "keep, or the size of tensors in one output file, such as 5GB (default: keep the base's files)", otherWord: "keep");
        Option<bool> allowUnmatched = new("--allow-unmatched") { Description = "Merge what matches and warn of the rest, instead of stopping" };
        Command command = new(Name, "Merge adapters into a base model: W + Σ weight · scale · B · A, rounded once")
        {
            basePath, adapters, output, dtype, shardSize, allowUnmatched,
        };
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
                Adapters = [.. parsed.GetRequiredValue(adapters).Select(a => a with { Path = PathArgument.Resolve(a.Path, environment) })],
                Output = parsed.GetRequiredValue(output),
                OutputType = parsed.GetValue(dtype),
                MaxShardBytes = parsed.GetValue(shardSize),
                AllowUnmatched = parsed.GetValue(allowUnmatched),
                Overwrite = writing.Force,
                Flush = writing.Flush,
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, writing.DryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, MergeOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using MergePlan plan = MergePlan.Create(options);
        IReadOnlyList<string> warnings = [.. MergeWarnings.Of(plan)];
        if (!output.Quiet) Warnings.Write(environment.Messages, warnings);
        if (dryRun)
        {
            if (output.Json) JsonOutput.Write(environment.Output, MergeDocuments.OfPlan(plan, warnings));
            else MergeText.WritePlan(environment.Output, plan, output.Verbose);
            return ExitCode.Done;
        }

        using MergeHost host = MergeHost.Build(computing);
        MergeReport report = ProgressDisplay.Run(environment, output, "merging", progress =>
            plan.Run(host.Compute, progress, interruption.Token));
        if (output.Json) JsonOutput.Write(environment.Output, MergeDocuments.OfReport(plan, report, warnings));
        else MergeText.WriteReport(environment.Output, report);
        return ExitCode.Done;
    }

    private static AdapterInput[]? ParseAdapters(ArgumentResult result)
    {
        List<AdapterInput> adapters = [];
        foreach (Token token in result.Tokens)
        {
            if (AdapterArgument.TryParse(token.Value, out AdapterInput? adapter, out string? error))
            {
                adapters.Add(adapter);
                continue;
            }

            result.AddError($"--adapter: {error}");
            return null;
        }

        return [.. adapters];
    }

    private static DType? ParseType(ArgumentResult result)
    {
        switch (result.Tokens[0].Value)
        {
            case "keep":
                return null;
            case "f32":
                return DType.F32;
            case "f16":
                return DType.F16;
            case "bf16":
                return DType.BF16;
            default:
                result.AddError($"--dtype: '{result.Tokens[0].Value}' is no output type; expected keep, f32, f16 or bf16");
                return null;
        }
    }
}

using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Ops;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Conversion;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>convert PATH --to LAYOUT --out PATH</c>: an adapter in another layout.</summary>
internal static class ConvertCommand
{
    public const string Name = "convert";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("The adapter: a folder, a file, or a model id in the Hugging Face cache");
        Option<string> layout = new("--to") { Description = "The layout that is written: peft, kohya, lycoris, diffusers, diffusers-old, comfy, mlx, gguf, onnx", HelpName = "LAYOUT", Required = true };
        Option<string?> from = new("--from") { Description = "The layout it is read by (default: by its names)", HelpName = "LAYOUT" };
        Option<string?> architecture = new("--arch") { Description = "The architecture that the adapter is for, such as flux1, where its names fit several (of gguf: llama, qwen3, …)", HelpName = "NAME" };
        Option<string?> basePath = PathArgument.Option("--base", "The base model, for kinds that depend on its weights, flattened names, biases and norms; its config.json is enough for gguf");
        Option<string[]> metadata = new("--metadata") { Description = "What the metadata says besides, or instead: KEY=VALUE, as often as needed", HelpName = "KEY=VALUE" };
        Option<string?> rename = PathArgument.Option("--rename", "A JSON file of modules' names and new ones, as the result spells them; # stands for any number");
        Option<int?> rank = NumberOption.Whole("--rank", "R", "The most that an update's rank may be");
        Option<double?> energy = NumberOption.Decimal("--energy", "E", "The lowest rank of each module that keeps this fraction of its squared norm, such as 0.9");
        Option<double?> maxError = NumberOption.Decimal("--max-error", "E", "The lowest rank of each module whose relative error is at most this, such as 0.1");
        Option<long?> seed = NumberOption.Seed("What the random sketches are made from (default: 0)");
        Command command = new(Name, "Write an adapter in another layout: names, alphas, hashes and metadata are the target's; what it cannot say is made plain LoRA or refused")
        {
            path, layout, from, architecture, basePath, metadata, rename, rank, energy, maxError, seed,
        };
        ReadingOptions reading = new(command);
        AdapterOutputOptions output = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (AdapterOutput written, bool dryRun) = output.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            ConvertOptions options = new()
            {
                Adapter = new AdapterInput(PathArgument.Resolve(parsed.GetRequiredValue(path), environment)) { Reading = reading.Read(parsed) },
                Output = written,
                Layout = parsed.GetRequiredValue(layout),
                Architecture = parsed.GetValue(architecture),
                From = parsed.GetValue(from),
                Metadata = MetadataOf(parsed.GetValue(metadata) ?? []),
                Rename = parsed.GetValue(rename),
                Base = PathArgument.Resolve(parsed, basePath, environment),
                Rank = parsed.GetValue(rank),
                Energy = parsed.GetValue(energy),
                MaxError = parsed.GetValue(maxError),
                Seed = unchecked((ulong)(parsed.GetValue(seed) ?? 0)),
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, dryRun);
        });
        return command;
    }

    private static Dictionary<string, string> MetadataOf(string[] entries)
    {
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        foreach (string entry in entries)
        {
            int end = entry.IndexOf('=');
            if (end < 0 || !metadata.TryAdd(entry[..end], entry[(end + 1)..]))
            {
                throw new InvalidOptionException($"--metadata '{Printable.Text(entry)}': expected KEY=VALUE, every key once");
            }
        }

        return metadata;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, ConvertOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using ConvertPlan plan = ConvertPlan.Create(options);
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. AdapterWarnings.Of(options.Adapter.Path, plan.Issues)];
        Warnings.Write(environment, output, warnings);
        ConvertReport? report = null;
        if (!dryRun)
        {
            using ComputeHost host = ComputeHost.Build(computing);
            report = ProgressDisplay.Run(environment, output, "converting", progress => plan.Run(host.Compute, progress, interruption.Token));
            Warnings.Write(environment, output, report.Warnings);
        }

        if (output.Json) JsonOutput.Write(environment.Output, ConvertDocument.Of(plan, report, warnings));
        else ConvertText.Write(environment.Output, plan, report, output.Verbose);
        return ExitCode.Done;
    }
}

using System.CommandLine;
using LoraKit.Ops.Inspect;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>inspect PATH</c>: what a file or folder is.</summary>
internal static class InspectCommand
{
    public const string Name = "inspect";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("An adapter or checkpoint, folder or file, or a model id in the Hugging Face cache");
        Option<bool> hash = new("--hash") { Description = "Read the whole file for sha256, xxh128, sshs_model_hash and sshs_legacy_hash" };
        Option<bool> strict = new("--strict") { Description = "Exit with 1 if there is any issue" };
        Option<bool> spectrum = new("--spectrum") { Description = "Decompose every update: its norm, singular values, and the ranks that hold 90, 95 and 99 % of its energy" };
        Option<string?> check = new("--check") { Description = "Exit with 1 if a program (comfyui, diffusers, llama.cpp, ollama, peft, vllm) or a layout would refuse, ignore or change anything of an adapter", HelpName = "NAME" };
        Command command = new(Name, "Show what an adapter or checkpoint is made of") { path, hash, strict, spectrum, check };
        ReadingOptions reading = new(command);
        ComputeOptions compute = new(command);
        OutputOptions output = new(command);
        command.SetAction(parsed =>
        {
            ComputeSettings computing = compute.Read(parsed);
            InspectOptions options = new()
            {
                Reading = reading.Read(parsed),
                Hashes = parsed.GetValue(hash),
                Spectrum = parsed.GetValue(spectrum),
                Check = parsed.GetValue(check),
                Threads = computing.Threads,
            };
            return Run(environment, output.Read(parsed), parsed.GetRequiredValue(path), parsed.GetValue(strict), options, computing);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, string path, bool strict, InspectOptions options, ComputeSettings computing)
    {
        using Interruption interruption = environment.Interruptible();
        string resolved = PathArgument.Resolve(path, environment);
        AdapterInspection inspection;
        if (options.Spectrum)
        {
            using ComputeHost host = ComputeHost.Build(computing);
            inspection = ProgressDisplay.Run(environment, output, "decomposing", progress =>
                AdapterInspection.Open(resolved, options, host.Compute, progress, interruption.Token));
        }
        else
        {
            inspection = AdapterInspection.Open(resolved, options, cancellation: interruption.Token);
        }

        int code = (strict && inspection.Issues.Count > 0) || inspection.Findings is { Count: > 0 } ? ExitCode.Finding : ExitCode.Done;
        if (output.Json) JsonOutput.Write(environment.Output, InspectDocument.Of(path, inspection, code == ExitCode.Done));
        else InspectText.Write(environment.Output, inspection with { Path = path }, output.Verbose);
        if (!output.Json && options.Spectrum) SpectrumText.Write(environment.Output, inspection, output.Verbose);
        return code;
    }
}

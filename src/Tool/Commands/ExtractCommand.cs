using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Extract;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>extract --base PATH --tuned PATH --out PATH</c>.</summary>
internal static class ExtractCommand
{
    public const string Name = "extract";

    public static Command Create(ToolEnvironment environment)
    {
        Option<string> basePath = PathArgument.RequiredOption("--base", "The model that was tuned: a safetensors file, a folder, or a model id in the Hugging Face cache");
        Option<string> tunedPath = PathArgument.RequiredOption("--tuned", "The tuned model, with the same tensor names");
        Option<int?> rank = NumberOption.Whole("--rank", "R", "The rank of every module");
        Option<double?> energy = NumberOption.Decimal("--energy", "E", "The lowest rank of each module that keeps this fraction of its squared norm, such as 0.9");
        Option<double?> maxError = NumberOption.Decimal("--max-error", "E", "The lowest rank of each module whose relative error is at most this, such as 0.1");
        Option<string?> include = new("--include") { Description = "Only tensors whose name this regular expression finds", HelpName = "REGEX" };
        Option<string?> exclude = new("--exclude") { Description = "No tensors whose name this regular expression finds", HelpName = "REGEX" };
        Option<string?> full = new("--full")
        {
            Description = "What is carried as it is in the tuned model: norms, biases, embeddings, with commas between, or none (default: norms,biases)",
            HelpName = "LIST",
        };
        Option<string?> layout = new("--to") { Description = "The layout that is written (default: peft, the only one so far)", HelpName = "LAYOUT" };
        Option<long?> seed = NumberOption.Seed("What the random sketches are made from (default: 0)");
        Command command = new(Name, "Extract a low-rank adapter from a tuned model: B·A ≈ tuned − base, with the true error")
        {
            basePath, tunedPath, rank, energy, maxError, include, exclude, full, layout, seed,
        };
        AdapterOutputOptions output = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (AdapterOutput destination, bool dryRun) = output.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            string named = parsed.GetRequiredValue(basePath);
            string resolved = PathArgument.Resolve(named, environment);
            ExtractOptions options = new()
            {
                Base = resolved,
                Tuned = PathArgument.Resolve(parsed.GetRequiredValue(tunedPath), environment),
                Output = destination,
                Rank = parsed.GetValue(rank),
                Energy = parsed.GetValue(energy),
                MaxError = parsed.GetValue(maxError),
                Include = parsed.GetValue(include),
                Exclude = parsed.GetValue(exclude),
                Layout = parsed.GetValue(layout) ?? "peft",
                // A model id says more than the name of its snapshot's folder.
                BaseModel = resolved == named ? null : named.Split('@')[0],
                Seed = unchecked((ulong)(parsed.GetValue(seed) ?? 0)),
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            if (parsed.GetValue(full) is { } list) options = options with { Full = ReadFull(list) };
            return Run(environment, speech.Read(parsed), options, computing, dryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, ExtractOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using ExtractPlan plan = ProgressDisplay.Run(environment, output, "comparing", progress => ExtractPlan.Create(options, progress, interruption.Token));
        Warnings.Write(environment, output, plan.Warnings);
        ExtractReport? report = null;
        if (!dryRun)
        {
            using ComputeHost host = ComputeHost.Build(computing);
            report = ProgressDisplay.Run(environment, output, "extracting", progress => plan.Run(host.Compute, progress, interruption.Token));
            Warnings.Write(environment, output, report.Warnings);
        }

        if (output.Json) JsonOutput.Write(environment.Output, ExtractDocument.Of(plan, report));
        else if (report is null) ExtractText.WritePlan(environment.Output, plan, output.Verbose);
        else ExtractText.WriteReport(environment.Output, plan, report, output.Verbose);
        return ExitCode.Done;
    }

    private static FullParameters ReadFull(string list)
    {
        FullParameters full = FullParameters.None;
        if (list == "none") return full;
        foreach (string word in list.Split(','))
        {
            full |= word switch
            {
                "norms" => FullParameters.Norms,
                "biases" => FullParameters.Biases,
                "embeddings" => FullParameters.Embeddings,
                _ => throw new InvalidOptionException($"--full: '{word}' is none of norms, biases and embeddings; expected these with commas between, or none"),
            };
        }

        return full;
    }
}

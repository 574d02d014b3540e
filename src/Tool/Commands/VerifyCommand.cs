using System.CommandLine;
using LoraKit.Ops;
using LoraKit.Ops.Verify;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>verify PATH</c>: whether files are whole and valid, and a model is what it should be.</summary>
internal static class VerifyCommand
{
    public const string Name = "verify";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("An adapter or checkpoint, folder or file, or a model id in the Hugging Face cache");
        Option<string?> @base = PathArgument.Option("--base", "Also check that PATH is this base with the adapters of --adapter merged in");
        Option<AdapterInput[]> adapters = AdapterOption.Create("The adapters that were merged, with @WEIGHT where it was not 1", required: false);
        Option<bool> allowUnmatched = new("--allow-unmatched") { Description = "The merge left out adapter modules without a place in the base" };
        Option<string?> manifest = new("--manifest") { Description = "Also check files against their SHA-256 in this file, as sha256sum writes it", HelpName = "FILE" };
        Option<int> threads = ThreadsOption.Create();
        Command command = new(Name, "Check that files are whole and valid, that no value is NaN or infinite, and that a model is base + adapters")
        {
            path, @base, adapters, allowUnmatched, manifest, threads,
        };
        ReadingOptions reading = new(command);
        OutputOptions output = new(command);
        command.SetAction(parsed =>
        {
            string named = parsed.GetRequiredValue(path);
            VerifyOptions options = new(PathArgument.Resolve(named, environment))
            {
                Base = PathArgument.Resolve(parsed, @base, environment),
                Adapters = AdapterOption.Resolve(parsed.GetValue(adapters) ?? [], reading.Read(parsed), environment),
                AllowUnmatched = parsed.GetValue(allowUnmatched),
                Manifest = parsed.GetValue(manifest),
                Threads = parsed.GetValue(threads),
            };
            return Run(environment, output.Read(parsed), named, options);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, string path, VerifyOptions options)
    {
        using Interruption interruption = environment.Interruptible();
        Verification result = ProgressDisplay.Run(environment, output, "verifying", progress => Verification.Run(options, progress, interruption.Token));
        int code = result.Valid ? ExitCode.Done : ExitCode.Finding;
        Warnings.Write(environment, output, result.Warnings);
        if (output.Json) JsonOutput.Write(environment.Output, VerifyDocument.Of(path, result));
        else VerifyText.Write(environment.Output, path, result, output.Verbose);
        return code;
    }
}

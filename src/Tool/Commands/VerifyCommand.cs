using System.CommandLine;
using LoraKit.Ops.Verify;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>verify PATH</c>: whether files are whole and valid.</summary>
internal static class VerifyCommand
{
    private const string Name = "verify";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("An adapter or checkpoint, folder or file, or a model id in the Hugging Face cache");
        Option<int> threads = ThreadsOption.Create();
        Command command = new(Name, "Check that files are whole and valid and that no value is NaN or infinite") { path, threads };
        OutputOptions output = new(command);
        command.SetAction(parsed => Run(environment, output.Read(parsed), parsed.GetRequiredValue(path), parsed.GetValue(threads)));
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, string path, int threads)
    {
        using Interruption interruption = environment.Interruptible();
        Verification result = ProgressDisplay.Run(environment, output, "verifying", progress =>
            Verification.Run(PathArgument.Resolve(path, environment), threads, progress, interruption.Token));
        int code = result.Valid ? ExitCode.Done : ExitCode.Finding;
        if (!output.Quiet) Warnings.Write(environment.Messages, result.Warnings);
        if (output.Json) JsonOutput.Write(environment.Output, Document(path, result, code));
        else WriteText(environment.Output, path, result);
        return code;
    }

    private static void WriteText(TextWriter output, string path, Verification result)
    {
        foreach (VerifyFinding finding in result.Findings)
        {
            output.WriteLine(TerminalText.Escape($"{finding.Code}: {finding.Message}"));
        }

        output.WriteLine(TerminalText.Escape(result.Valid
            ? $"'{path}' is valid; {Words.Count(result.CheckedElements, "value")} checked"
            : $"'{path}' is not valid: {Words.Count(result.Findings.Count, "finding")}"));
    }

    private static VerifyDocument Document(string path, Verification result, int code) => new()
    {
        Command = Name,
        Ok = code == ExitCode.Done,
        Path = path,
        Valid = result.Valid,
        Findings = [.. result.Findings.Select(f => new FindingBody(f.Code, f.Message, f.File, f.Tensor))],
        CheckedElements = result.CheckedElements,
        Warnings = result.Warnings,
    };
}

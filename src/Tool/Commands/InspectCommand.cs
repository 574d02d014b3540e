using System.CommandLine;
using LoraKit.Formats.Adapters;
using LoraKit.Ops.Inspect;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;

namespace LoraKit.Tool.Commands;

/// <summary><c>inspect PATH</c>: what a file or folder is.</summary>
internal static class InspectCommand
{
    private const string Name = "inspect";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<string> path = PathArgument.Create("An adapter or checkpoint, folder or file, or a model id in the Hugging Face cache");
        Option<bool> hash = new("--hash") { Description = "Read the whole file for sha256, xxh128, sshs_model_hash and sshs_legacy_hash" };
        Option<bool> strict = new("--strict") { Description = "Exit with 1 if there is any issue" };
        Option<int> threads = ThreadsOption.Create();
        Command command = new(Name, "Show what an adapter or checkpoint is made of") { path, hash, strict, threads };
        OutputOptions output = new(command);
        command.SetAction(parsed => Run(
            environment, output.Read(parsed), parsed.GetRequiredValue(path), parsed.GetValue(strict),
            new InspectOptions { Hashes = parsed.GetValue(hash), Threads = parsed.GetValue(threads) }));
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, string path, bool strict, InspectOptions options)
    {
        using Interruption interruption = environment.Interruptible();
        AdapterInspection inspection = AdapterInspection.Open(PathArgument.Resolve(path, environment), options, interruption.Token);
        int code = strict && inspection.Issues.Count > 0 ? ExitCode.Finding : ExitCode.Done;
        if (output.Json) JsonOutput.Write(environment.Output, Document(path, inspection, code));
        else InspectText.Write(environment.Output, inspection with { Path = path }, output.Verbose);
        return code;
    }

    private static InspectDocument Document(string path, AdapterInspection inspection, int code) => new()
    {
        Command = Name,
        Ok = code == ExitCode.Done,
        Path = path,
        Container = inspection.Container,
        Layout = inspection.Layout,
        Family = inspection.Family,
        Architecture = inspection.Architecture,
        BaseModel = inspection.BaseModel,
        Bytes = inspection.Bytes,
        DType = inspection.DType,
        ModuleCount = inspection.Modules.Count,
        ParameterCount = inspection.ParameterCount,
        Ranks = inspection.Ranks,
        Modules =
        [
            .. inspection.Modules.Select(m => new ModuleBody(
                m.Name, m.Kind, m.OutFeatures, m.InFeatures, m.Shape.Sizes, m.Rank, JsonOutput.Finite(m.Alpha), JsonOutput.Finite(m.Scale), m.DType, m.Dora)),
        ],
        Extras = [.. inspection.Extras.Select(e => new TensorBody(e.Name, e.Kind, e.DType, e.Shape.Sizes))],
        Metadata = inspection.Metadata,
        Hashes = inspection.Hashes is { } h ? new HashesBody(h.Sha256, h.XxHash128, h.SshsModelHash, h.SshsLegacyHash) : null,
        Issues = [.. inspection.Issues.Select(i => new IssueBody(i.Code, InspectText.Severity(i.Severity), i.Message, i.Where))],
        Warnings = [.. inspection.Issues.Where(i => i.Severity == IssueSeverity.Warning && i.Where is null).Select(i => i.Message)],
    };
}

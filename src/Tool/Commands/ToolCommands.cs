using System.CommandLine;
using System.CommandLine.Invocation;

namespace LoraKit.Tool.Commands;

/// <summary>The one list of commands.</summary>
internal static class ToolCommands
{
    public static RootCommand CreateRoot(ToolEnvironment environment)
    {
        RootCommand root = new("Reads, checks and merges LoRA adapters: exact, streaming, without Python.")
        {
            MergeCommand.Create(environment),
            InspectCommand.Create(environment),
            VerifyCommand.Create(environment),
            DoctorCommand.Create(environment),
        };
        root.Directives.Clear();
        foreach (Option option in root.Options)
        {
            if (option is VersionOption version) version.Action = new PrintVersion(environment);
        }

        return root;
    }

    private sealed class PrintVersion(ToolEnvironment environment) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            environment.Output.WriteLine(ToolVersion.Text);
            return ExitCode.Done;
        }
    }
}

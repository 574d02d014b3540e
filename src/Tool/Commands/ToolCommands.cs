using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace LoraKit.Tool.Commands;

/// <summary>The one list of commands.</summary>
internal static class ToolCommands
{
    /// <summary>The command line as a tree.</summary>
    public static Command CreateRoot(ToolEnvironment environment)
    {
        // No RootCommand: that one is called after the assembly, and takes directives before a path that begins with a bracket.
        return new Command("dotnet-lora", "Reads, checks and merges LoRA adapters: exact, streaming, without Python.")
        {
            new HelpOption { Recursive = true },
            new Option<bool>("--version") { Description = "Show the version", Action = new PrintVersion(environment) },
            MergeCommand.Create(environment),
            RescaleCommand.Create(environment),
            ResizeRankCommand.Create(environment),
            StackCommand.Create(environment),
            ConvertCommand.Create(environment),
            ExtractCommand.Create(environment),
            UnmergeCommand.Create(environment),
            InspectCommand.Create(environment),
            DiffCommand.Create(environment),
            VerifyCommand.Create(environment),
            DoctorCommand.Create(environment),
        };
    }

    private sealed class PrintVersion(ToolEnvironment environment) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            environment.Output.WriteLine(ToolVersion.Text);
            return ExitCode.Done;
        }
    }
}

using System.CommandLine;
using System.CommandLine.Invocation;
using LoraKit.Formats;
using LoraKit.Tool.Commands;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;

namespace LoraKit.Tool;

/// <summary>The tool as a function from arguments and environment to an exit code.</summary>
internal static class LoraTool
{
    // No response files: a path may begin with @.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static int Run(IReadOnlyList<string> arguments, ToolEnvironment environment)
    {
        Command root = ToolCommands.CreateRoot(environment);
        ParseResult parsed = root.Parse(arguments, Parsing);
        string command = parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name;
        // What was typed decides the error's form too, even where the rest of the line makes no sense.
        FailureReport failure = new(environment, command, arguments.Contains(OutputOptions.JsonName));
        try
        {
            int code = parsed.Action is null or ParseErrorAction ? failure.Usage(parsed) : Invoke(parsed, environment);
            environment.Output.Flush();
            return code;
        }
        catch (OperationCanceledException)
        {
            return failure.Interrupted();
        }
        catch (LoraKitException foreseen)
        {
            return failure.Foreseen(foreseen);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return failure.System(error);
        }
        catch (Exception bug)
        {
            return failure.Bug(bug);
        }
    }

    private static int Invoke(ParseResult parsed, ToolEnvironment environment) => parsed.Invoke(new InvocationConfiguration
    {
        Output = environment.Output,
        Error = environment.Messages,
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null,
    });
}

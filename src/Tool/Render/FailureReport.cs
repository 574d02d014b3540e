using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Tool.Render.Json;

namespace LoraKit.Tool.Render;

/// <summary>
/// How a command that stopped says why: one line on stderr, every miss of a mismatch on a line of its own below it, and with
/// <c>--json</c> the error document on stdout.
/// </summary>
internal sealed class FailureReport(ToolEnvironment environment, string command, bool json)
{
    /// <summary>The command line makes no sense.</summary>
    public int Usage(ParseResult parsed)
    {
        string help = command.Length == 0 ? "dotnet lora --help" : $"dotnet lora {command} --help";
        string message = parsed.Errors.Count == 0 ? "no command" : string.Join("; ", parsed.Errors.Select(e => e.Message.TrimEnd('.')).Distinct());
        return Stop(new ErrorBody("usage", $"{message} (see {help})", null, null), []);
    }

    /// <summary>Something that LoraKit knows can go wrong.</summary>
    public int Foreseen(LoraKitException error)
    {
        IReadOnlyList<string> misses = error is TargetMismatchException mismatch ? mismatch.Misses : [];
        return Stop(new ErrorBody(error.Code, error.Message, error.File, error.Tensor) { Misses = misses.Count == 0 ? null : misses }, misses);
    }

    /// <summary>The system refused: permissions, a broken disk, a full stdout.</summary>
    public int System(Exception error) => Stop(new ErrorBody("io", error.Message, null, null), []);

    /// <summary>The user or the system asked to stop.</summary>
    public int Interrupted()
    {
        Tell(new ErrorBody("interrupted", "interrupted; nothing unfinished is left behind", null, null), []);
        return ExitCode.Interrupted;
    }

    /// <summary>A bug: the stack is shown.</summary>
    public int Bug(Exception bug)
    {
        Stop(new ErrorBody("bug", $"unexpected {bug.GetType().Name}: {bug.Message} (this is a bug in LoraKit; please report it)", null, null), []);
        foreach (string line in bug.ToString().Split('\n'))
        {
            Say(TerminalText.Escape(line.TrimEnd('\r')));
        }

        return ExitCode.Stopped;
    }

    private int Stop(ErrorBody error, IReadOnlyList<string> misses)
    {
        Tell(error, misses);
        return ExitCode.Stopped;
    }

    private void Tell(ErrorBody error, IReadOnlyList<string> misses)
    {
        Say($"error: {TerminalText.Escape(error.Message)}");
        foreach (string miss in misses)
        {
            // A list of one that the message itself contains needs no second line.
            if (!error.Message.Contains(miss, StringComparison.Ordinal)) Say($"  {TerminalText.Escape(miss)}");
        }

        if (!json) return;
        try
        {
            JsonOutput.Write(environment.Output, new ErrorDocument { Command = command, Ok = false, Error = error });
            environment.Output.Flush();
        }
        catch (IOException)
        {
            // stdout itself is what failed, and stderr has said so.
        }
    }

    private void Say(string line)
    {
        try
        {
            environment.Messages.WriteLine(line);
            environment.Messages.Flush();
        }
        catch (IOException)
        {
            // Nobody listens; the exit code remains.
        }
    }
}

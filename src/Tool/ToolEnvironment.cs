using System.Text;

namespace LoraKit.Tool;

/// <summary>Everything a command knows of the world around it: where results and messages go, variables, the clock, the user's patience.</summary>
internal sealed record ToolEnvironment : IDisposable
{
    /// <summary>For results, and nothing else.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>For progress and messages.</summary>
    public required TextWriter Messages { get; init; }

    /// <summary>Whether messages go to a terminal that can redraw lines.</summary>
    public bool IsInteractive { get; init; }

    /// <summary>Reads an environment variable.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>The clock of progress displays.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Begins to listen for Ctrl-C and the like.</summary>
    public Func<Interruption> Interruptible { get; init; } = () => new Interruption();

    /// <summary>The process's own.</summary>
    public static ToolEnvironment OfProcess() => new()
    {
        Output = Writer(Console.OpenStandardOutput()),
        Messages = Writer(Console.OpenStandardError()),
        IsInteractive = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb",
        Interruptible = Interruption.OfProcess,
    };

    /// <summary>Writes out what is left.</summary>
    public void Dispose()
    {
        Output.Dispose();
        Messages.Dispose();
    }

    // Not Console.Out: opening that reads the terminal's description and costs a tenth of the start-up.
    private static StreamWriter Writer(Stream stream) =>
        new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 1 << 14);
}

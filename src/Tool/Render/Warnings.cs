using LoraKit.Tool.Options;

namespace LoraKit.Tool.Render;

/// <summary>What the user should know although the command went on.</summary>
internal static class Warnings
{
    /// <summary>One line each on stderr, unless it should be quiet there.</summary>
    public static void Write(ToolEnvironment environment, OutputSettings output, IEnumerable<string> warnings)
    {
        if (output.Quiet) return;
        foreach (string warning in warnings)
        {
            environment.Messages.WriteLine($"warning: {TerminalText.Escape(warning)}");
        }

        environment.Messages.Flush();
    }
}

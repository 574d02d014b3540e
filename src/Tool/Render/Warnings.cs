namespace LoraKit.Tool.Render;

/// <summary>What the user should know although the command went on.</summary>
internal static class Warnings
{
    /// <summary>One line each, on stderr.</summary>
    public static void Write(TextWriter messages, IEnumerable<string> warnings)
    {
        foreach (string warning in warnings)
        {
            messages.WriteLine($"warning: {TerminalText.Escape(warning)}");
        }

        messages.Flush();
    }
}

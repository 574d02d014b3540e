namespace LoraKit.Tool;

/// <summary>The tool's version.</summary>
internal static class ToolVersion
{
    /// <summary>As <c>--version</c> prints it: <c>0.1.0</c>.</summary>
    public static string Text { get; } = typeof(ToolVersion).Assembly.GetName().Version!.ToString(3);
}

using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary><c>--memory SIZE</c>.</summary>
internal static class MemoryOption
{
    private const long Default = 256_000_000;

    public static Option<long?> Create() => SizeOption.Create("--memory", "The cap for buffers (default: 256MB)");

    /// <summary>What was given, or the default.</summary>
    public static long Read(ParseResult parsed, Option<long?> option) => parsed.GetValue(option) ?? Default;
}

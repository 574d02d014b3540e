using System.CommandLine;
using System.CommandLine.Parsing;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is a size.</summary>
internal static class SizeOption
{
    private const string HelpName = "SIZE";

    public static Option<long?> Create(string name, string description) => new(name)
    {
        Description = description,
        HelpName = HelpName,
        CustomParser = result => Parse(result, name, ""),
    };

    /// <summary>One that also takes the word <c>keep</c>.</summary>
    public static Option<OrKeep<long>?> CreateOrKeep(string name, string description) => new(name)
    {
        Description = description,
        HelpName = HelpName,
        CustomParser = result => result.Tokens[0].Value == OrKeep<long>.Word ? new OrKeep<long>()
            : Parse(result, name, $", or {OrKeep<long>.Word}") is { } bytes ? new OrKeep<long>(bytes) : null,
    };

    private static long? Parse(ArgumentResult result, string name, string otherwise)
    {
        if (ByteSize.TryParse(result.Tokens[0].Value, out long bytes, out string? error)) return bytes;
        result.AddError($"{name}: {error}{otherwise}");
        return null;
    }
}

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
        CustomParser = result => Parse(result, name),
    };

    /// <summary>One that also takes the word <c>keep</c>.</summary>
    public static Option<OrKeep<long>?> CreateOrKeep(string name, string description) => KeepOption.Create<long>(name, description, HelpName, ReadOrKeep);

    private static long? Parse(ArgumentResult result, string name)
    {
        if (ByteSize.TryParse(result.Tokens[0].Value, out long bytes, out string? error)) return bytes;
        result.AddError($"{name}: {error}");
        return null;
    }

    private static long? ReadOrKeep(string text, out string? error)
    {
        if (ByteSize.TryParse(text, out long bytes, out error)) return bytes;
        error += $", or {KeepOption.Word}";
        return null;
    }
}

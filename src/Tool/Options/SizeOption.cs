using System.CommandLine;
using System.CommandLine.Parsing;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is a size.</summary>
internal static class SizeOption
{
    public static Option<long?> Create(string name, string description, string? otherWord = null) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result => Parse(result, name, otherWord),
    };

    private static long? Parse(ArgumentResult result, string name, string? otherWord)
    {
        string text = result.Tokens[0].Value;
        if (text == otherWord) return null;
        if (ByteSize.TryParse(text, out long bytes, out string? error)) return bytes;
        result.AddError($"{name}: {error}{(otherWord is null ? "" : $", or {otherWord}")}");
        return null;
    }
}

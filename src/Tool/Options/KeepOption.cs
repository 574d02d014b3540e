using System.CommandLine;
using System.CommandLine.Parsing;

namespace LoraKit.Tool.Options;

/// <summary>A value, or the word <c>keep</c>.</summary>
/// <param name="Value">The value; null for <c>keep</c>.</param>
internal sealed record OrKeep<T>(T? Value)
    where T : struct;

/// <summary>Options that leave something as it is where they are not given, or given as <c>keep</c>.</summary>
internal static class KeepOption
{
    public const string Word = "keep";

    /// <summary>Reads a value, or says what is wrong with it.</summary>
    public delegate T? Reader<T>(string text, out string? error)
        where T : struct;

    public static Option<OrKeep<T>?> Create<T>(string name, string description, string helpName, Reader<T> read)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result => Parse(result, name, read),
        };

    private static OrKeep<T>? Parse<T>(ArgumentResult result, string name, Reader<T> read)
        where T : struct
    {
        string text = result.Tokens[0].Value;
        if (text == Word) return new(null);
        if (read(text, out string? error) is { } value) return new(value);
        result.AddError($"{name}: {error}");
        return null;
    }
}

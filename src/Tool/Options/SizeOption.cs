using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is a size.</summary>
internal static class SizeOption
{
    private const string Keep = "keep";

    public static Option<long?> Create(string name, string description) => Create(name, description, takesKeep: false);

    /// <summary>One that also takes the word <c>keep</c>, which is the same as not giving it.</summary>
    public static Option<long?> CreateOrKeep(string name, string description) => Create(name, description, takesKeep: true);

    private static Option<long?> Create(string name, string description, bool takesKeep) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (takesKeep && text == Keep) return null;
            if (ByteSize.TryParse(text, out long bytes, out string? error)) return bytes;
            result.AddError($"{name}: {error}{(takesKeep ? $", or {Keep}" : "")}");
            return null;
        },
    };
}

using System.CommandLine;
using System.CommandLine.Parsing;
using LoraKit.Formats.Layouts;
using LoraKit.Ops;

namespace LoraKit.Tool.Options;

/// <summary>Adapters as they are typed, each with a weight: <c>PATH@WEIGHT</c>.</summary>
internal static class AdapterOption
{
    private const string HelpName = "PATH[@WEIGHT]";

    /// <summary><c>--adapter A…</c>.</summary>
    public static Option<AdapterInput[]> Create(string description, bool required) => new("--adapter")
    {
        Description = description,
        HelpName = HelpName,
        Required = required,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
        CustomParser = result => Parse(result, "--adapter"),
    };

    /// <summary><c>A…</c> without an option's name.</summary>
    public static Argument<AdapterInput[]> CreateArgument(string description) => new("ADAPTER")
    {
        Description = description,
        HelpName = HelpName,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => Parse(result, "ADAPTER"),
    };

    /// <summary>With paths as they are resolved, to be read as the user says.</summary>
    public static IReadOnlyList<AdapterInput> Resolve(IEnumerable<AdapterInput> adapters, AdapterReadOptions reading, ToolEnvironment environment) =>
        [.. adapters.Select(a => a with { Path = PathArgument.Resolve(a.Path, environment), Reading = reading })];

    private static AdapterInput[]? Parse(ArgumentResult result, string name)
    {
        List<AdapterInput> adapters = [];
        foreach (Token token in result.Tokens)
        {
            if (AdapterArgument.TryParse(token.Value, out AdapterInput? adapter, out string? error))
            {
                adapters.Add(adapter);
                continue;
            }

            result.AddError($"{name}: {error}");
            return null;
        }

        return [.. adapters];
    }
}

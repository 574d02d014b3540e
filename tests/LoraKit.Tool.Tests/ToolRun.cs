using System.Text.Json;

namespace LoraKit.Tool.Tests;

/// <summary>One run of the tool inside the test's process, with its streams caught and an environment of its own.</summary>
internal sealed record ToolRun(int Code, string Output, string Messages)
{
    /// <summary>The one document on stdout.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The lines on stderr.</summary>
    public string[] Lines => Messages.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static ToolRun Of(params string[] arguments) => Of(new Dictionary<string, string>(), arguments);

    public static ToolRun Of(IReadOnlyDictionary<string, string> variables, params string[] arguments) =>
        Of(variables, () => new Interruption(), arguments);

    public static ToolRun Of(IReadOnlyDictionary<string, string> variables, Func<Interruption> interruption, params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter messages = new();
        using ToolEnvironment environment = new()
        {
            Output = output,
            Messages = messages,
            Variable = name => variables.GetValueOrDefault(name),
            Interruptible = interruption,
        };
        int code = LoraTool.Run(arguments, environment);
        return new ToolRun(code, output.ToString(), messages.ToString());
    }
}

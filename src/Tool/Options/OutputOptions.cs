using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary>How a command speaks.</summary>
/// <param name="Json">One JSON document on stdout instead of text.</param>
/// <param name="Quiet">No progress and no warnings on stderr.</param>
/// <param name="Verbose">Everything, nothing summed up.</param>
internal sealed record OutputSettings(bool Json, bool Quiet, bool Verbose);

/// <summary>The options of <see cref="OutputSettings"/>; every command has them.</summary>
internal sealed class OutputOptions
{
    public const string JsonName = "--json";

    private readonly Option<bool> _json = new(JsonName) { Description = "Print one JSON document on stdout, and nothing else there" };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "No progress and no warnings on stderr" };
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "List everything instead of summing up" };

    public OutputOptions(Command command)
    {
        command.Options.Add(_json);
        command.Options.Add(_quiet);
        command.Options.Add(_verbose);
    }

    public OutputSettings Read(ParseResult parsed) => new(parsed.GetValue(_json), parsed.GetValue(_quiet), parsed.GetValue(_verbose));
}

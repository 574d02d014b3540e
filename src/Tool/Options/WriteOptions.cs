using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary>How a command writes its output.</summary>
/// <param name="Force">Replaces an existing output, never an input.</param>
/// <param name="DryRun">Prints the plan and writes nothing.</param>
/// <param name="Flush">Flushes to the disk before the final name appears.</param>
internal sealed record WriteSettings(bool Force, bool DryRun, bool Flush);

/// <summary>The options of <see cref="WriteSettings"/>; every command that writes has them.</summary>
internal sealed class WriteOptions
{
    private readonly Option<bool> _force = new("--force", "-f") { Description = "Replace an existing output (an input is never replaced)" };
    private readonly Option<bool> _dryRun = new("--dry-run", "-n") { Description = "Print what would be done and write nothing" };
    private readonly Option<bool> _noFsync = new("--no-fsync")
    {
        Description = "Do not flush the output to the disk: faster, still atomic against a crash of the program, not of the machine",
    };

    public WriteOptions(Command command)
    {
        command.Options.Add(_force);
        command.Options.Add(_dryRun);
        command.Options.Add(_noFsync);
    }

    public WriteSettings Read(ParseResult parsed) => new(parsed.GetValue(_force), parsed.GetValue(_dryRun), !parsed.GetValue(_noFsync));
}

using LoraKit.Formats.Files;

namespace LoraKit.Ops.Merge;

/// <summary>What planning has to say, gathered before anything is said. Lines are made of names from files: each stays one line, whatever they hold.</summary>
internal sealed class PlanNotes
{
    private const int LineLength = 2000;

    private readonly List<string> _misses = [];
    private readonly List<string> _conflicts = [];
    private readonly List<string> _warnings = [];

    /// <summary>What found no place, one line each.</summary>
    public IReadOnlyList<string> Misses => _misses;

    /// <summary>What would make the output a broken model, one line each.</summary>
    public IReadOnlyList<string> Conflicts => _conflicts;

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    public void Miss(string line) => _misses.Add(Printable.Text(line, LineLength));

    public void Conflict(string line) => _conflicts.Add(Printable.Text(line, LineLength));

    public void Warn(string line) => _warnings.Add(Printable.Text(line, LineLength));
}

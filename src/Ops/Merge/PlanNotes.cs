using LoraKit.Formats.Files;

namespace LoraKit.Ops.Merge;

/// <summary>What planning has to say, gathered before anything is said. Lines are made of names from files: each stays one line, whatever they hold.</summary>
internal sealed class PlanNotes
{
    private const int LineLength = 2000;

    private readonly List<string> _misses = [];
    private readonly List<string> _conflicts = [];
    private readonly List<string> _warnings = [];
    private string? _firstMissed;
    private string? _firstConflicting;

    /// <summary>What found no place, one line each.</summary>
    public IReadOnlyList<string> Misses => _misses;

    /// <summary>What would make the output a broken model, one line each.</summary>
    public IReadOnlyList<string> Conflicts => _conflicts;

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>The parameter that the first miss is about, else the tensor of the first conflict.</summary>
    public string? FirstUnfit => _firstMissed ?? _firstConflicting;

    public void Miss(string line, string parameter)
    {
        _misses.Add(Printable.Text(line, LineLength));
        _firstMissed ??= parameter;
    }

    public void Conflict(string line, string tensor)
    {
        _conflicts.Add(Printable.Text(line, LineLength));
        _firstConflicting ??= tensor;
    }

    public void Warn(string line) => _warnings.Add(Printable.Text(line, LineLength));
}

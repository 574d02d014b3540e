using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>What a family knows beside a module's own tensors.</summary>
/// <param name="File">The file, for messages.</param>
/// <param name="Ledger">The account of its tensors.</param>
/// <param name="Options">What the user said.</param>
/// <param name="IsLycoris">Whether the names are of LyCORIS' own layout.</param>
internal sealed record KohyaContext(string File, KeyLedger Ledger, AdapterReadOptions Options, bool IsLycoris)
{
    /// <summary>What is odd and does not stop the read.</summary>
    public List<AdapterIssue> Issues { get; } = [];

    /// <summary>Modules whose alpha was looked for.</summary>
    public HashSet<ModuleName> Scaled { get; } = [];

    /// <summary>Those of them that have none.</summary>
    public List<ModuleName> WithoutAlpha { get; } = [];

    /// <summary>Modules whose alpha / rank other than 1 is applied twice.</summary>
    public List<ModuleName> Squared { get; } = [];

    /// <summary>Whether LoHa and LoKr are merged as LyCORIS merges them.</summary>
    public bool ScalesTwice => Options.LycorisScale switch { LycorisScale.Once => false, LycorisScale.Twice => true, _ => IsLycoris };
}

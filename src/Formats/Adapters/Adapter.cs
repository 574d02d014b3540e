using LoraKit.Formats.Checkpoints;

namespace LoraKit.Formats.Adapters;

/// <summary>How much an issue matters.</summary>
public enum IssueSeverity : byte
{
    /// <summary>Worth knowing; nothing is wrong.</summary>
    Info,

    /// <summary>Likely not what was meant.</summary>
    Warning,
}

/// <summary>Something odd about a file that does not stop reading it.</summary>
/// <param name="Code">A stable identifier: <c>zero_factor</c>, <c>stray_tensor</c>, <c>pattern_matches_nothing</c>, …</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Message">One line.</param>
/// <param name="Where">The module, tensor or setting concerned.</param>
public sealed record AdapterIssue(string Code, IssueSeverity Severity, string Message, string? Where = null);

/// <summary>
/// An adapter, whatever file it came from: ordered updates and replacements. It owns the file its tensors are read from.
/// </summary>
public sealed class Adapter : IDisposable
{
    private readonly IDisposable? _file;

    /// <summary>An adapter that disposes <paramref name="file"/> with itself.</summary>
    public Adapter(string path, string layout, IDisposable? file)
    {
        Path = path;
        Layout = layout;
        _file = file;
    }

    /// <summary>What the user named: a folder or a file.</summary>
    public string Path { get; }

    /// <summary>The layout it was read by: <c>peft</c>.</summary>
    public string Layout { get; }

    /// <summary>The updates, in the order of the file's tensors.</summary>
    public required IReadOnlyList<AdapterDelta> Deltas { get; init; }

    /// <summary>What replaces base values before any update is added.</summary>
    public IReadOnlyList<Replacement> Replacements { get; init; } = [];

    /// <summary>
    /// The layers [start, end) of the base that the adapter's model is made of, in their order, some of them several times; empty where it is the base.
    /// Updates are named by the new layers.
    /// </summary>
    public IReadOnlyList<(long Start, long End)> LayerReplication { get; init; } = [];

    /// <summary>What training said; null where the layout has no such thing. Ops never read it.</summary>
    public AdapterConfig? Config { get; init; }

    /// <summary>
    /// Every module of the base that has a weight, where an operation knows them; null elsewhere. A layout may then name the adapter's
    /// modules more shortly, by what they and no others have in common.
    /// </summary>
    public IReadOnlyCollection<ModuleName>? BaseModules { get; init; }

    /// <summary>What else an operation, or the file, knows of the base; null where nothing is. A layout may name and order by it.</summary>
    public BaseFacts? Base { get; init; }

    /// <summary>The file's own metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>What is odd about it.</summary>
    public IReadOnlyList<AdapterIssue> Issues { get; init; } = [];

    /// <summary>The same with other updates; the file stays this adapter's.</summary>
    internal Adapter WithDeltas(IReadOnlyList<AdapterDelta> deltas) => new(Path, Layout, file: null)
    {
        Deltas = deltas,
        Replacements = Replacements,
        LayerReplication = LayerReplication,
        Config = Config,
        BaseModules = BaseModules,
        Base = Base,
        Metadata = Metadata,
        Issues = Issues,
    };

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file?.Dispose();
}

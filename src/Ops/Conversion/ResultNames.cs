using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// How the result names what the adapter changes: the one place where a layout's names become another's. Names stay where the layout stays, and between layouts of language models; PEFT's
/// are the base's own where it is at hand; else the architecture's vocabulary has both.
/// </summary>
internal sealed class ResultNames
{
    private const string Peft = "peft";
    private static readonly string[] OfLanguageModels = [Peft, "mlx", "onnx", "gguf"];

    private readonly Func<AdapterDelta, ParameterName> _ofUpdate;
    private readonly Func<Replacement, ParameterName> _ofReplacement;

    private ResultNames(Func<AdapterDelta, ParameterName> ofUpdate, Func<Replacement, ParameterName> ofReplacement) => (_ofUpdate, _ofReplacement) = (ofUpdate, ofReplacement);

    private ResultNames()
        : this(delta => delta.Target, replacement => replacement.Target)
    {
    }

    /// <summary>What takes weights apart and puts them together; null where names alone change.</summary>
    public Regrouping.Regrouping? Regrouping { get; private init; }

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings { get; private init; } = [];

    /// <param name="adapter">As it was read.</param>
    /// <param name="layout">The layout that is written.</param>
    /// <param name="architecture">Whose modules they are, if the user said so.</param>
    /// <param name="base">The base; null without one.</param>
    /// <exception cref="UnsupportedException">The names cannot be made, or not without a base.</exception>
    /// <exception cref="InvalidOptionException">The architecture has to be named.</exception>
    public static ResultNames Of(Adapter adapter, string layout, string? architecture, BaseTargets? @base)
    {
        if (adapter.Layout == layout) return new();
        if (layout == Peft && @base is { HasNames: true })
        {
            return new(
                delta => @base.Of(delta)?.Name ?? delta.Target,
                replacement => @base.Of(replacement) is { } name ? BaseNames.ParameterOf(name) : replacement.Target);
        }

        if (OfLanguageModels.Contains(adapter.Layout) && OfLanguageModels.Contains(layout)) return new();
        // Names with dots are a model's own, whichever it is.
        if (layout == Peft && architecture is null && ArchitectureDetection.Of(adapter, ArchitectureList.All).Best is null && !adapter.Deltas.Any(delta => IsFlattened(delta.Target))) return new();
        (Architecture found, string? warning) = ArchitectureOf(adapter, layout, architecture);
        Regrouping.Regrouping regrouping = new(adapter, found, layout);
        return new(delta => regrouping.NameOf(delta.Target), replacement => replacement.Target) { Regrouping = regrouping, Warnings = warning is null ? [] : [warning] };
    }

    /// <summary>How the result names an update; one that is regrouped keeps its name until then.</summary>
    public ParameterName Of(AdapterDelta delta) => _ofUpdate(delta);

    /// <summary>The modules of a result, each with those that it is made of.</summary>
    /// <param name="adapter">As it was read.</param>
    /// <param name="result">What is written, before the user's own names.</param>
    /// <param name="renamed">The user's own names.</param>
    public IReadOnlyList<WrittenModule> Written(Adapter adapter, Adapter result, IReadOnlyDictionary<ModuleName, ModuleName> renamed)
    {
        ILookup<ModuleName, string> sources = adapter.Deltas.SelectMany(delta => NamesOf(delta.Target.Module, Of(delta).Module))
            .Concat(adapter.Replacements.SelectMany(replacement => NamesOf(replacement.Target.Module, _ofReplacement(replacement).Module)))
            .Distinct().ToLookup(pair => pair.Name, pair => pair.Source.Path);
        return [.. Modules(result).Select(module => new WrittenModule(renamed.GetValueOrDefault(module, module).Path, [.. sources[module]]))];

        IEnumerable<(ModuleName Name, ModuleName Source)> NamesOf(ModuleName source, ModuleName name) =>
            Regrouping?.NamesOf(source).Select(written => (written, source)) ?? [(name, source)];
    }

    /// <summary>The modules that an adapter changes, each once, in its order.</summary>
    public static IReadOnlyList<ModuleName> Modules(Adapter adapter) =>
        [.. adapter.Deltas.Select(delta => delta.Target.Module).Concat(adapter.Replacements.Select(replacement => replacement.Target.Module)).Distinct()];

    /// <summary>The full values, by the result's names.</summary>
    public IReadOnlyList<Replacement> Of(IReadOnlyList<Replacement> replacements) => Regrouping?.Apply(replacements)
        ?? [.. replacements.Select(r => _ofReplacement(r) is var name && name == r.Target ? r : new Replacement(name, r.Values, r.Rows, r.Reason))];

    private static (Architecture Architecture, string? Warning) ArchitectureOf(Adapter adapter, string layout, string? named)
    {
        string file = Printable.Text(adapter.Path);
        IReadOnlyList<Architecture> all = named is null ? ArchitectureList.All : [ArchitectureDetection.Named(named, ArchitectureList.All)];
        ArchitectureMatch match = ArchitectureDetection.Of(adapter, all);
        if (match.Best is not { } best)
        {
            string[] modules = [.. adapter.Deltas.Select(delta => delta.Target.Module.Path).Distinct()];
            throw new UnsupportedException(
                $"{file}: its modules ({List(modules)}) are of no architecture whose names are known ({string.Join(", ", all.Select(a => a.Name).Order(StringComparer.Ordinal))}), so they have no names in the layout {layout}{OrByBase(layout)}",
                adapter.Path, modules.FirstOrDefault());
        }

        if (match.Leftover.Count > 0)
        {
            throw new UnsupportedException(
                $"{file}: {match.Leftover.Count} of its modules are nothing of {best.Name}, {(named is null ? "the nearest architecture" : "the architecture that was named")}: {List(match.Leftover)}; "
                + $"expected all of one architecture{(named is null ? " (--arch names it)" : "")}{OrByBase(layout)}", adapter.Path, match.Leftover[0]);
        }

        if (match.Others.Count == 0) return (best, null);
        string candidates = $"{best.Name} or {string.Join(" or ", match.Others.Select(other => other.Name))}";
        if (SaysArchitecture(layout) || match.Others.Any(other => !AreAlike(adapter, layout, best, other)))
        {
            throw new InvalidOptionException($"{file}: could be of {candidates}, and nothing in it tells which; name it with --arch");
        }

        return (best, $"the adapter could be of {candidates}; the result is the same for {(match.Others.Count == 1 ? "both" : "all")}");
    }

    /// <summary>For messages: PEFT's names are the base's.</summary>
    private static string OrByBase(string layout) => layout == Peft ? "; the base tells where the dots of flattened names were: name it with --base" : "";

    private static bool IsFlattened(ParameterName target) => !target.Module.Path.Contains('.');

    /// <summary>Whether files of the layout state their architecture.</summary>
    private static bool SaysArchitecture(string layout) => layout is "kohya";

    /// <summary>Whether two architectures have the same names, and divide weights alike, as far as the adapter goes.</summary>
    private static bool AreAlike(Adapter adapter, string layout, Architecture one, Architecture other) =>
        adapter.Deltas.Select(delta => delta.Target.Module.Path).Concat(adapter.Replacements.Select(replacement => replacement.Target.Module.Path)).Distinct().All(module =>
            one.Find(module) is var (part, place) && other.Find(module) is var (otherPart, otherPlace)
            && part.Spellings.GetValueOrDefault(layout) == otherPart.Spellings.GetValueOrDefault(layout) && part.Name == otherPart.Name
            && place.Rule.Original == otherPlace.Rule.Original && place.Rule.Diffusers.SequenceEqual(otherPlace.Rule.Diffusers) && place.Rule.Division == otherPlace.Rule.Division);

    private static string List(IReadOnlyList<string> names) => Conversion.Regrouping.Regrouping.List(names);
}

namespace LoraKit.Formats.Layouts.Names;

/// <summary>
/// The vocabulary of one part of a model: every module's name by both namings. Names are found forwards, by what the vocabulary has; nothing turns <c>_</c> into a dot.
/// </summary>
internal sealed class NameMap
{
    private readonly Lazy<ILookup<string, (NamePlace Place, string Pattern)>> _dotted;
    private readonly Lazy<ILookup<string, (NamePlace Place, string Pattern)>> _flattened;

    /// <param name="rules">The weights.</param>
    public NameMap(IEnumerable<NameRule> rules)
    {
        Rules = [.. rules];
        _dotted = new(() => Index(name => name, '.'));
        _flattened = new(() => Index(NamePattern.Flatten, '_'));
    }

    /// <summary>Every weight.</summary>
    public IReadOnlyList<NameRule> Rules { get; }

    /// <summary>What a name is, by each naming that has it; the one preferred first.</summary>
    /// <param name="name">The module without prefixes.</param>
    /// <param name="isFlattened">Whether <c>_</c> stands for its dots.</param>
    /// <param name="preferred">Of two namings that have the name.</param>
    public IReadOnlyList<NamePlace> Find(string name, bool isFlattened, Naming preferred)
    {
        char separator = isFlattened ? '_' : '.';
        List<NamePlace> places = [];
        foreach ((NamePlace place, string pattern) in (isFlattened ? _flattened : _dotted).Value[NamePattern.Key(name, separator)])
        {
            if (NamePattern.Match(pattern, name, separator) is { } numbers) places.Add(place with { Numbers = numbers });
        }

        return [.. places.OrderBy(place => (place.Naming == Naming.Diffusers) != (preferred == Naming.Diffusers))];
    }

    private ILookup<string, (NamePlace Place, string Pattern)> Index(Func<string, string> spell, char separator) =>
        (from rule in Rules
         from naming in (Naming[])[Naming.Diffusers, Naming.Original, .. rule.Comfy is null || spell(rule.Comfy) == spell(rule.Original) ? (Naming[])[] : [Naming.Comfy]]
         from module in rule.Modules(naming).Select((pattern, at) => (Pattern: spell(pattern), At: at))
         select (Place: new NamePlace(rule, naming, module.At, []), module.Pattern)).ToLookup(entry => NamePattern.Key(entry.Pattern, separator), StringComparer.Ordinal);
}

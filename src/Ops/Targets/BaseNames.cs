namespace LoraKit.Ops.Targets;

/// <summary>The tensor names of a base model, findable by what they have in common with an adapter's names.</summary>
internal sealed class BaseNames
{
    private readonly HashSet<string> _exact;
    private readonly Lazy<ILookup<string, string>> _stripped;
    private readonly Lazy<IReadOnlyList<string>> _prefixes;

    public BaseNames(IEnumerable<string> names)
    {
        _exact = new HashSet<string>(names, StringComparer.Ordinal);
        _stripped = new(() => _exact.ToLookup(WrapperPrefixes.Strip, StringComparer.Ordinal));
        _prefixes = new(() => LeadingPrefixes(_exact));
    }

    /// <summary>Every leading run of one or two components, with its dot.</summary>
    public IReadOnlyList<string> Prefixes => _prefixes.Value;

    public bool Contains(string name) => _exact.Contains(name);

    /// <summary>The name itself where the base has it, else every name that is the same but for known wrappers.</summary>
    public IReadOnlyList<string> Find(string name) =>
        Contains(name) ? [name] : [.. _stripped.Value[WrapperPrefixes.Strip(name)].Order(StringComparer.Ordinal)];

    /// <summary>A name that ends alike, to show how this base spells things; null where nothing does.</summary>
    public string? Resembling(string name)
    {
        for (string? tail = name; tail is not null; tail = WithoutFirstComponent(tail))
        {
            if (tail.IndexOf('.') < 0) break;
            string? found = _exact.Where(n => n.EndsWith("." + tail, StringComparison.Ordinal)).Min(StringComparer.Ordinal);
            if (found is not null) return found;
        }

        return null;
    }

    public static string? WithoutFirstComponent(string name)
    {
        int dot = name.IndexOf('.');
        return dot < 0 ? null : name[(dot + 1)..];
    }

    private static List<string> LeadingPrefixes(IEnumerable<string> names)
    {
        HashSet<string> prefixes = new(StringComparer.Ordinal);
        foreach (string name in names)
        {
            int first = name.IndexOf('.');
            if (first < 0) continue;
            prefixes.Add(name[..(first + 1)]);
            int second = name.IndexOf('.', first + 1);
            if (second >= 0) prefixes.Add(name[..(second + 1)]);
        }

        return [.. prefixes.Order(StringComparer.Ordinal)];
    }
}

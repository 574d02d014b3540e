using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Targets;

/// <summary>The tensor names of a base model, findable by what they have in common with an adapter's names.</summary>
internal sealed class BaseNames
{
    private readonly HashSet<string> _exact;
    private readonly Lazy<ILookup<string, string>> _common;
    private readonly Lazy<HashSet<string>> _components;
    private readonly Lazy<IReadOnlyList<string>> _prefixes;

    public BaseNames(IEnumerable<string> names)
    {
        _exact = new HashSet<string>(names, StringComparer.Ordinal);
        _common = new(() => _exact.ToLookup(Common, StringComparer.Ordinal));
        _components = new(() => _exact.SelectMany(n => n.Split('.')).ToHashSet(StringComparer.Ordinal));
        _prefixes = new(() => LeadingPrefixes(_exact));
    }

    /// <summary>Every leading run of one or two components, with its dot.</summary>
    public IReadOnlyList<string> Prefixes => _prefixes.Value;

    public bool Contains(string name) => _exact.Contains(name);

    /// <summary>All names that begin so.</summary>
    public IEnumerable<string> Under(string prefix) => _exact.Where(name => name.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Whether the base knows nothing of the part of the model that a parameter belongs to: <c>classifier</c>, <c>score</c>.</summary>
    public bool LacksPartOf(string name) => !_components.Value.Contains(FirstComponent(WrapperPrefixes.Strip(name)));

    /// <summary>The name itself where the base has it, else every name that is the same but for known wrappers and old spellings.</summary>
    public IReadOnlyList<string> Find(string name) => Contains(name)
        ? [name]
        : [.. _common.Value[Common(name)].Where(n => WrapperPrefixes.AreOfOneFamily(name, n)).Order(StringComparer.Ordinal)];

    /// <summary>What the base stores in place of a weight where the module is quantised; null where it does not.</summary>
    public string? Quantised(string name)
    {
        if (!name.EndsWith(".weight", StringComparison.Ordinal)) return null;
        string module = name[..^".weight".Length];
        string[] packed = [$"{module}.qweight", $"{module}.weight_packed", $"{module}.weight_blocks", $"{module}.W_q"];
        return packed.SelectMany(Find).FirstOrDefault();
    }

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

    public static string FirstComponent(string name) => name.IndexOf('.') is var dot and >= 0 ? name[..dot] : name;

    public static string LastComponent(string name) => name[(name.LastIndexOf('.') + 1)..];

    /// <summary>How an adapter names a tensor of the base.</summary>
    public static ParameterName ParameterOf(string tensor)
    {
        string name = Modern(tensor);
        int dot = name.LastIndexOf('.');
        return new(new ModuleName(dot < 0 ? "" : name[..dot]), name[(dot + 1)..]);
    }

    /// <summary>Every module of a base that has a weight.</summary>
    public static IReadOnlyCollection<ModuleName> ModulesOf(IEnumerable<string> tensors) =>
        [.. tensors.Select(ParameterOf).Where(p => p.Parameter == "weight").Select(p => p.Module)];

    /// <summary>The spelling of today: transformers still reads layer norms saved as gamma and beta.</summary>
    public static string Modern(string name) =>
        name.EndsWith("LayerNorm.gamma", StringComparison.Ordinal) ? name[..^"gamma".Length] + "weight"
        : name.EndsWith("LayerNorm.beta", StringComparison.Ordinal) ? name[..^"beta".Length] + "bias"
        : name;

    public static string? WithoutFirstComponent(string name)
    {
        int dot = name.IndexOf('.');
        return dot < 0 ? null : name[(dot + 1)..];
    }

    private static string Common(string name) => Modern(WrapperPrefixes.Strip(name));

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

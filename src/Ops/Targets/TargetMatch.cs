using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Ops.Targets;

/// <summary>Where a parameter of an adapter was found in the base.</summary>
/// <param name="Tensor">The base tensor's name; null where there is none.</param>
/// <param name="Miss">Why there is none; null where there is one.</param>
/// <param name="TiedTo">True where the base stores this parameter only as its tied partner.</param>
internal readonly record struct Target(string? Tensor, string? Miss, bool TiedTo = false);

/// <summary>
/// Adapter parameters ↔ base tensors. A name that the base has is taken as it is; else the one name that is the same but for wrapper
/// prefixes; else one unknown prefix, taken off or put on, that explains all the rest at once; else the tied partner of a missing
/// embedding. Two equally good answers are no answer. See spec/algebra.md, "Names".
/// </summary>
internal static class TargetMatch
{
    public static Dictionary<ParameterName, Target> Resolve(IReadOnlyCollection<ParameterName> parameters, Checkpoint @base)
    {
        BaseNames names = new(@base.Tensors.Keys);
        Dictionary<ParameterName, Target> targets = [];
        List<ParameterName> missing = [];
        foreach (ParameterName parameter in parameters)
        {
            IReadOnlyList<string> found = names.Find(parameter.Path);
            if (found.Count == 1) targets[parameter] = new(found[0], null);
            else if (found.Count > 1) targets[parameter] = new(null, $"{parameter} could be any of {string.Join(", ", found)}");
            else missing.Add(parameter);
        }

        List<ParameterName> untied = [];
        foreach (ParameterName parameter in missing)
        {
            if (TiedEmbeddings.Partner(parameter.Path, @base) is { } partner) targets[parameter] = new(partner, null, TiedTo: true);
            else untied.Add(parameter);
        }

        IReadOnlyList<Func<string, string?>> rules = UnknownPrefixRules(untied, names);
        foreach (ParameterName parameter in untied)
        {
            targets[parameter] = rules.Count == 1 ? new(rules[0](parameter.Path), null) : new(null, Miss(parameter, names, rules.Count));
        }

        return targets;
    }

    /// <summary>The rules, each one prefix off or on, under which every name is in the base; different rules differ in their result.</summary>
    private static List<Func<string, string?>> UnknownPrefixRules(List<ParameterName> parameters, BaseNames names)
    {
        if (parameters.Count == 0) return [];
        List<Func<string, string?>> rules = [BaseNames.WithoutFirstComponent, TwoComponentsOff];
        rules.AddRange(names.Prefixes.Select(prefix => (Func<string, string?>)(path => prefix + path)));
        return [.. rules.Where(rule => parameters.All(p => rule(p.Path) is { } name && names.Contains(name)))];

        static string? TwoComponentsOff(string path) =>
            BaseNames.WithoutFirstComponent(path) is { } rest ? BaseNames.WithoutFirstComponent(rest) : null;
    }

    private static string Miss(ParameterName parameter, BaseNames names, int rules)
    {
        if (rules > 1) return $"{parameter} is in the base under more than one prefix";
        return names.Resembling(parameter.Path) is { } similar
            ? $"{parameter} is not in the base (which has {similar})"
            : $"{parameter} is not in the base";
    }
}

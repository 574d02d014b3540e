using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Ops.Targets;

/// <summary>Where a parameter of an adapter was found in the base.</summary>
/// <param name="Tensor">The base tensor's name; null where there is none.</param>
/// <param name="Miss">Why there is none; null where there is one.</param>
/// <param name="TiedTo">True where the base stores this parameter only as its tied partner.</param>
/// <param name="IsNew">True where the base lacks it, and the adapter brings all of it: a head for a new task.</param>
/// <param name="Place">Which part of the tensor it is, for an expert's weight in a stack of all; null for all of it.</param>
/// <param name="Singles">For a stack of experts that the base stores one by one: those tensors. There is no one tensor then.</param>
/// <param name="Regrouped">For a weight that the base has in parts, or as a part, or in another order: the tensors. There is no one tensor then.</param>
/// <param name="Stacks">For a stack of experts whose outputs the base has in several stacks: those, in order. There is no one tensor then.</param>
/// <param name="Heads">How many heads the tensor's rows are, where it has them in llama.cpp's order; null where they are in the adapter's.</param>
/// <param name="IsPlusOne">Whether the tensor has 1 more than the parameter, as GGUF's norms of Gemma.</param>
internal readonly record struct Target(
    string? Tensor, string? Miss, bool TiedTo = false, bool IsNew = false, ExpertPlace? Place = null, ExpertTensors? Singles = null, RegroupedWeight? Regrouped = null,
    IReadOnlyList<string>? Stacks = null, long? Heads = null, bool IsPlusOne = false);

/// <summary>
/// Adapter parameters ↔ base tensors. A name that the base has is taken as it is; else the one name that is the same but for wrapper
/// prefixes, if all are found so; else what the base has by the vocabulary of an architecture; else a stack of experts for an expert's weight, or experts for a stack; else the tied partner of a missing embedding; else one unknown prefix, taken off or put on, that explains all the rest at
/// once. Two equally good answers are no answer. Of a GGUF file the architecture's own names decide. See spec/algebra.md, "Names".
/// </summary>
internal static class TargetMatch
{
    /// <param name="parameters">What the adapter changes.</param>
    /// <param name="whole">Those it brings in full as modules of their own, which a base may lack.</param>
    /// <param name="base">The base.</param>
    public static Dictionary<ParameterName, Target> Resolve(
        IReadOnlyCollection<ParameterName> parameters, IReadOnlySet<ParameterName> whole, Checkpoint @base)
    {
        BaseNames names = new(@base.Tensors.Keys);
        Dictionary<ParameterName, Target> targets = [];
        if (@base.Gguf is { } gguf)
        {
            GgufNames ofGguf = new(gguf, names);
            targets = parameters.ToDictionary(parameter => parameter, ofGguf.Find);
            RefuseShared(targets, targets.Keys);
            return targets;
        }

        List<ParameterName> missing = [], flattened = [], renamed = [];
        foreach (ParameterName parameter in parameters)
        {
            IReadOnlyList<string> found = names.Find(parameter.Path);
            if (found.Count == 1) targets[parameter] = new(found[0], null);
            else if (found.Count > 1) targets[parameter] = new(null, $"{parameter} could be any of {string.Join(", ", found)}");
            else renamed.Add(parameter);
        }

        Dictionary<ParameterName, Target> byArchitecture = renamed.Count == 0 ? [] : new ArchitectureNames(names).Resolve(parameters);
        if (!renamed.Any(byArchitecture.ContainsKey)) byArchitecture = [];
        foreach (ParameterName parameter in renamed.Where(parameter => !byArchitecture.ContainsKey(parameter)))
        {
            if (ExpertNames.Stack(parameter.Path, names) is var (stack, place)) targets[parameter] = new(stack, null, Place: place);
            else if (ExpertNames.Singles(parameter.Path, names) is { } singles) targets[parameter] = new(null, null, Singles: singles);
            else if (ExpertNames.OtherBlock(parameter.Path) is { } other && names.Find(other) is [var router]) targets[parameter] = new(router, null);
            else if (TiedEmbeddings.Partner(parameter.Path, @base) is { } partner) targets[parameter] = new(partner, null, TiedTo: true);
            else (FlattenedNames.Are(parameter.Module) ? flattened : missing).Add(parameter);
        }

        RefuseScattered(targets);
        foreach ((ParameterName parameter, Target target) in byArchitecture)
        {
            // Where the base has others by the other naming, the same name may be another weight's.
            if (target.Miss is null || !targets.ContainsKey(parameter)) targets[parameter] = target;
        }

        foreach ((ParameterName parameter, Target target) in new FlattenedNames(@base.Tensors.Keys).Resolve(flattened))
        {
            targets[parameter] = target;
        }

        RefuseShared(targets, [.. byArchitecture.Keys, .. flattened]);
        bool anyFound = targets.Values.Any(t => t.Miss is null);
        List<Func<string, string?>> rules = UnknownPrefixRules(missing, names);
        if (rules.Count == 0 && missing.Where(p => whole.Contains(p) && names.LacksPartOf(p.Path)).ToHashSet() is { Count: > 0 } heads)
        {
            List<ParameterName> others = [.. missing.Where(p => !heads.Contains(p))];
            rules = UnknownPrefixRules(others, names);
            if (rules.Count == 1 || (anyFound && others.Count == 0))
            {
                foreach (ParameterName head in heads)
                {
                    targets[head] = new(null, null, IsNew: true);
                }

                missing = others;
            }
        }

        foreach (ParameterName parameter in missing)
        {
            targets[parameter] = rules.Count == 1 ? new(rules[0](parameter.Path), null) : new(null, Miss(parameter, names, rules.Count));
        }

        return targets;
    }

    /// <summary>
    /// Parts of one model that are spelt alike in the adapter are spelt alike in the base: layers found partly under one prefix and partly
    /// under another are two stacks of layers, and one of them is the wrong one.
    /// </summary>
    private static void RefuseScattered(Dictionary<ParameterName, Target> targets)
    {
        var parts = targets.Where(t => t.Value is { Tensor: not null, TiedTo: false }).GroupBy(
            t => (WrapperPrefixes.Of(t.Key.Path), BaseNames.FirstComponent(WrapperPrefixes.Strip(t.Key.Path))));
        foreach (var part in parts.ToArray())
        {
            string[] prefixes = [.. part.Select(t => WrapperPrefixes.Of(t.Value.Tensor!)).Distinct().Order(StringComparer.Ordinal)];
            if (prefixes.Length < 2) continue;
            string spellings = string.Join(" and ", prefixes.Select(p => $"'{p}'"));
            foreach ((ParameterName parameter, Target target) in part)
            {
                targets[parameter] = new(null, $"{parameter} could be {target.Tensor}, but the base has others of its kind under {spellings}");
            }
        }
    }

    /// <summary>
    /// Of a pipeline's parts some have the same names, and a base may be one part alone; a file may have a module by two names. One of each would change one tensor twice.
    /// </summary>
    private static void RefuseShared(Dictionary<ParameterName, Target> targets, IReadOnlyCollection<ParameterName> ofPipelines)
    {
        if (ofPipelines.Count == 0) return;
        var places = targets.Where(t => (t.Value.Tensor ?? t.Value.Regrouped?.Tensors[0]) is not null && t.Value is { TiedTo: false, Place: null })
            .GroupBy(t => (t.Value.Tensor ?? t.Value.Regrouped!.Tensors[0], t.Value.Regrouped?.Part), t => t.Key);
        foreach (var shared in places.Where(place => place.Skip(1).Any() && place.Any(ofPipelines.Contains)).ToArray())
        {
            foreach (ParameterName parameter in shared)
            {
                targets[parameter] = new(null, $"{parameter} could be {shared.Key.Item1}, and so could {string.Join(", ", shared.Where(other => other != parameter))}");
            }
        }
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
        if (names.Quantised(parameter.Path) is { } packed) return $"{parameter} is quantised in the base (stored as {packed}); merge into the unquantised base";
        return names.Resembling(parameter.Path) is { } similar
            ? $"{parameter} is not in the base (which has {similar})"
            : $"{parameter} is not in the base";
    }
}

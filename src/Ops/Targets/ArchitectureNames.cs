using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Modules of image and video models, whose names an architecture's vocabulary has: the base may have them by the other naming (diffusers', or those of the model's own
/// repository), and behind the prefix that its kind of file puts before that part of the pipeline. Which architecture it is, the base tells: the one by which it has the
/// most of what the adapter changes. See spec/algebra.md, "Names of pipelines".
/// </summary>
internal sealed class ArchitectureNames(BaseNames names)
{
    private const string Weight = "weight";
    private readonly Dictionary<(ModelPart Part, string Prefix), bool?> _areDiffusers = [];

    /// <summary>Where parameters are by the architecture that finds the most; those that it does not find are left out.</summary>
    /// <param name="parameters">What the adapter changes.</param>
    public Dictionary<ParameterName, Target> Resolve(IReadOnlyCollection<ParameterName> parameters)
    {
        if (parameters.Count == 0) return [];
        Dictionary<ParameterName, Target>[] found = [.. ArchitectureList.All.Select(architecture => Resolve(architecture, parameters))];
        int most = found.Max(targets => targets.Count);
        return most == 0 ? [] : Agreed([.. ArchitectureList.All.Zip(found).Where(f => f.Second.Count == most)]);
    }

    private Dictionary<ParameterName, Target> Resolve(Architecture architecture, IReadOnlyCollection<ParameterName> parameters)
    {
        Dictionary<ParameterName, Target> targets = [];
        foreach (ParameterName parameter in parameters)
        {
            Target[] found = [.. architecture.Parts.SelectMany(part => Find(part, parameter)).DistinctBy(Tensors)];
            if (found.Length == 1) targets.Add(parameter, found[0]);
            else if (found.Length > 1) targets.Add(parameter, new(null, $"{parameter} could be any of {string.Join(", ", found.Select(Tensors).Order(StringComparer.Ordinal))}"));
        }

        return targets;
    }

    /// <summary>What all architectures that find as much say; where they say different things, nothing tells which is right.</summary>
    private static Dictionary<ParameterName, Target> Agreed((Architecture Architecture, Dictionary<ParameterName, Target> Targets)[] found)
    {
        Dictionary<ParameterName, Target> targets = [];
        foreach (ParameterName parameter in found.SelectMany(f => f.Targets.Keys).Distinct())
        {
            var readings = found.Where(f => f.Targets.ContainsKey(parameter)).Select(f => (f.Architecture, Target: f.Targets[parameter])).DistinctBy(r => Tensors(r.Target)).ToArray();
            targets.Add(parameter, readings.Length == 1 ? readings[0].Target
                : new(null, $"{parameter} could be {string.Join(" or ", readings.Select(r => $"{Tensors(r.Target)} ({r.Architecture.Name})"))}"));
        }

        return targets;
    }

    /// <summary>What the base has for a parameter of a part: by each naming, under each prefix.</summary>
    private IEnumerable<Target> Find(ModelPart part, ParameterName parameter)
    {
        if (part.Find(parameter.Module.Path) is not { } place) return [];
        return part.BasePrefixes.SelectMany(prefix => Under(part, prefix, place, parameter.Parameter));
    }

    /// <summary>By one naming, where both have the name for different weights (Wan's second and third normalisation): the one of the base's other names.</summary>
    private IEnumerable<Target> Under(ModelPart part, string prefix, NamePlace place, string parameter)
    {
        var found = Enum.GetValues<Naming>().Select(naming => (IsDiffusers: naming == Naming.Diffusers, Target: Under(prefix, naming, place, parameter))).Where(f => f.Target is not null)
            .DistinctBy(f => Tensors(f.Target!.Value)).ToArray();
        return found.Where(f => found.Length == 1 || (AreDiffusers(part, prefix) ?? f.IsDiffusers) == f.IsDiffusers).Select(f => f.Target!.Value);
    }

    /// <summary>Whose names the base has for a part, by those that only one naming has; null where they do not tell.</summary>
    private bool? AreDiffusers(ModelPart part, string prefix)
    {
        if (_areDiffusers.TryGetValue((part, prefix), out bool? known)) return known;
        int balance = 0;
        foreach (string name in names.Under(prefix))
        {
            string module = name[prefix.Length..Math.Max(prefix.Length, name.LastIndexOf('.'))];
            bool[] namings = [.. part.Map.Find(module, false, Naming.Diffusers).Select(place => place.Naming == Naming.Diffusers).Distinct()];
            if (namings is [var isDiffusers]) balance += isDiffusers ? 1 : -1;
        }

        return _areDiffusers[(part, prefix)] = balance == 0 ? null : balance > 0;
    }

    private Target? Under(string prefix, Naming naming, NamePlace place, string parameter)
    {
        NameRule rule = place.Rule;
        bool isAlike = (naming == Naming.Diffusers) == (place.Naming == Naming.Diffusers);
        bool isRename = isAlike || (!rule.IsFused && !rule.Division.CanReorder);
        string[] modules = [.. rule.Modules(naming).Select((_, module) => prefix + rule.Name(naming, module, place.Numbers))];
        if (isAlike) modules = [modules[place.Module]];
        string[] tensors = [.. modules.Select(module => $"{module}.{Parameter(rule, naming, parameter)}")];
        if (!tensors.All(names.Contains)) return null;
        return isRename ? new(tensors[0], null)
            : new(null, null, Regrouped: new(rule, naming == Naming.Diffusers ? null : place.Module, tensors, $"{modules[0]}.{Parameter(rule, naming, Weight)}"));
    }

    /// <summary>How a naming calls a parameter that adapters call <c>weight</c> or <c>bias</c>: of <c>in_proj_weight</c> the bias is <c>in_proj_bias</c>.</summary>
    private static string Parameter(NameRule rule, Naming naming, string parameter)
    {
        if (naming == Naming.Diffusers) return parameter;
        if (parameter == Weight) return rule.OriginalParameter;
        return parameter == "bias" && rule.OriginalParameter.EndsWith('_' + Weight, StringComparison.Ordinal) ? rule.OriginalParameter[..^Weight.Length] + parameter : parameter;
    }

    private static string Tensors(Target target) => target.Tensor ?? (target.Regrouped is { } regrouped ? string.Join(" + ", regrouped.Tensors) : target.Miss!);
}

using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// <c>target_parameters</c>: parameters that have factors of their own (the weights of all experts, a router's), by the ends of their names.
/// Factors in the file are named by the module alone.
/// </summary>
internal sealed class TargetParameters
{
    private const string Setting = "target_parameters";

    private readonly IReadOnlyList<(string Module, string Parameter)> _entries;
    private readonly PeftTargets _targets;

    /// <exception cref="InvalidAdapterException">The setting is no list of names.</exception>
    public TargetParameters(JsonSettings settings, PeftTargets targets)
    {
        _targets = targets;
        _entries = [.. (settings.Texts(Setting) ?? []).Distinct(StringComparer.Ordinal).Where(entry => entry.Length > 0).Select(Split)];
    }

    /// <summary>
    /// The parameters of a module that may be meant, in the order in which transformers' modules of experts register them; none where its
    /// factors are the module's own.
    /// </summary>
    public IReadOnlyList<ParameterName> Of(ModuleName module)
    {
        if (_entries.Count == 0) return [];
        // A parameter without a module may be any module's; one that is a target itself is updated as such.
        bool isTarget = _targets.Names(module.Path);
        IEnumerable<string> named = _entries.Where(entry => entry.Module.Length == 0 ? !isTarget : IsEnding(entry.Module, module.Path)).Select(entry => entry.Parameter);
        return [.. named.Distinct(StringComparer.Ordinal).Order(Registration).Select(parameter => new ParameterName(module, parameter))];
    }

    private static IComparer<string> Registration { get; } = Comparer<string>.Create((one, two) => Turn(one) != Turn(two) ? Turn(one) - Turn(two) : string.CompareOrdinal(one, two));

    /// <summary>What comes into a block of experts is registered before what goes out of it.</summary>
    private static int Turn(string parameter) =>
        parameter.StartsWith("down", StringComparison.Ordinal) || parameter.StartsWith("out", StringComparison.Ordinal) || parameter.StartsWith("w2", StringComparison.Ordinal) ? 1 : 0;

    private static bool IsEnding(string ending, string path) => path.EndsWith(ending, StringComparison.Ordinal) && (path.Length == ending.Length || path[^(ending.Length + 1)] == '.');

    private static (string Module, string Parameter) Split(string entry)
    {
        int dot = entry.LastIndexOf('.');
        return dot < 0 ? ("", entry) : (entry[..dot], entry[(dot + 1)..]);
    }
}

using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>
/// ComfyUI's <c>set_weight</c>: values that take the weight's place. The module's name may be a parameter's that is no weight (<c>….key_norm.scale</c>).
/// </summary>
internal sealed class SetWeight : IKohyaFamily
{
    private const string Ending = "set_weight", Scale = ".scale";

    public string Name => "a replaced weight";

    public IReadOnlyList<string> Endings => [Ending];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module) => [];

    public IEnumerable<Replacement> Replace(KohyaTensors module)
    {
        string path = module.Name.Path;
        ParameterName target = path.EndsWith(Scale, StringComparison.Ordinal) ? new(new(path[..^Scale.Length]), Scale[1..]) : module.Weight;
        return [new(target, module.Require(Ending), null, Ending)];
    }

    /// <summary>Why a replacement cannot be said, as the end of a sentence about its target; null where it can.</summary>
    public static string? Limit(Replacement replacement) => replacement is { Reason: Ending, Rows: null } && (replacement.Target.Parameter == "weight" || IsScale(replacement.Target))
        ? null
        : $"is replaced in full ({replacement.Reason})";

    public static KohyaModule Write(Replacement replacement)
    {
        ParameterName target = replacement.Target;
        KohyaModule module = new(IsScale(target) ? new(target.Path) : target.Module, false);
        module.Add(Ending, replacement.Values);
        return module;
    }

    private static bool IsScale(ParameterName target) => target.Parameter == Scale[1..];
}

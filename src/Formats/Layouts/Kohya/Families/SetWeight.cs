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
}

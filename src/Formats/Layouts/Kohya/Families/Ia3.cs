using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>IA³: <c>weight</c> [dim] or [1, dim, 1…], and <c>on_input</c>, which is not 0 where it scales the inputs.</summary>
internal sealed class Ia3 : IKohyaFamily
{
    public string Name => "IA³";

    public IReadOnlyList<string> Endings => ["weight", "on_input"];

    public IReadOnlyList<string> Marks => ["on_input"];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module) =>
        [new LycorisIa3Delta(module.Weight, module.Require("weight"), module.Number("on_input") is not (null or 0))];
}

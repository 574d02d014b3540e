using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>IA³: <c>weight</c> [dim] or [1, dim, 1…], which is l − 1, and <c>on_input</c>, which is not 0 where it scales the inputs.</summary>
internal sealed class Ia3 : IKohyaFamily
{
    public string Name => "IA³";

    public IReadOnlyList<string> Endings => ["weight", "on_input"];

    public IReadOnlyList<string> Marks => ["on_input"];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        StoredTensor change = module.Require("weight");
        if (change.Shape.Sizes.Count(size => size > 1) > 1) throw module.Wrong($"has a weight {change.Shape} of IA³, which is no vector; expected [dim] or [1, dim, 1…]");
        yield return new Ia3Delta(module.Weight, change, module.Number("on_input") is not (null or 0)) { IsChange = true };
    }
}

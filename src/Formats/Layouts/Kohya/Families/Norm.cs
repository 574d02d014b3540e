using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>The differences of a norm's weight and bias: <c>w_norm</c>, <c>b_norm</c>.</summary>
internal sealed class Norm : IKohyaFamily
{
    public string Name => "the difference of a norm";

    public IReadOnlyList<string> Endings => ["w_norm", "b_norm"];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        if (module.Has("w_norm")) yield return new DenseDelta(module.Weight, module.Require("w_norm"), 1);
        if (module.Has("b_norm")) yield return new DenseDelta(module.Bias, module.Require("b_norm"), 1);
    }
}

using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>A weight trained in full: its difference, <c>diff</c>, in the weight's shape.</summary>
internal sealed class Full : IKohyaFamily
{
    public string Name => "a full difference";

    public IReadOnlyList<string> Endings => ["diff"];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module) => [new DenseDelta(module.Weight, module.Require("diff"), KohyaScale.WithoutRank(module))];
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>A weight trained in full: its difference, <c>diff</c>, in the weight's shape.</summary>
internal sealed class Full : IKohyaFamily
{
    public string Name => "a full difference";

    public IReadOnlyList<string> Endings => ["diff"];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module) => [new DenseDelta(module.Weight, module.Require("diff"), KohyaScale.WithoutRank(module))];

    public bool Holds(AdapterDelta update) => update is DenseDelta { Target.Parameter: "weight" } && !Norm.IsOfNorm(update);

    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => WithoutScale(update);

    public string? Limit(AdapterDelta update, bool scalesTwice) => ScaleLimit(update);

    public void Write(AdapterDelta update, KohyaModule module) => module.Add("diff", ((DenseDelta)update).Values);

    /// <summary>The same difference, its scale in its values.</summary>
    internal static AdapterDelta WithoutScale(AdapterDelta update) =>
        update is DenseDelta { Scale: not 1 } dense ? new DenseDelta(dense.Target, ScaledTensor.Of(dense.Values, dense.Scale, 1), 1) : update;

    internal static string? ScaleLimit(AdapterDelta update) => update is DenseDelta { Scale: not 1 and var scale } ? $"has a difference of scale {scale}, and the layout has no scale for it" : null;
}

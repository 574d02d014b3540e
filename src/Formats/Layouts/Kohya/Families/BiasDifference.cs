using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>The difference of a bias, <c>diff_b</c>, beside any update of the weight.</summary>
internal sealed class BiasDifference : IKohyaFamily
{
    public string Name => "a bias difference";

    public IReadOnlyList<string> Endings => ["diff_b"];

    public bool IsOfWeight => false;

    public IEnumerable<AdapterDelta> Read(KohyaTensors module) => [new DenseDelta(module.Bias, module.Require("diff_b"), 1)];

    public bool Holds(AdapterDelta update) => update is DenseDelta { Target.Parameter: "bias" } && !Norm.IsOfNorm(update);

    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => Full.WithoutScale(update);

    public string? Limit(AdapterDelta update, bool scalesTwice) => Full.ScaleLimit(update);

    public void Write(AdapterDelta update, KohyaModule module) => module.Add("diff_b", ((DenseDelta)update).Values);
}

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

    public bool Holds(AdapterDelta update) => IsOfNorm(update);

    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => Full.WithoutScale(update);

    public string? Limit(AdapterDelta update, bool scalesTwice) => Full.ScaleLimit(update);

    public void Write(AdapterDelta update, KohyaModule module) => module.Add(update.Target.Parameter == "bias" ? "b_norm" : "w_norm", ((DenseDelta)update).Values);

    /// <summary>A weight that is a vector is a norm's, and a bias where its file calls it one; ComfyUI's files have the differences of norms as those of any weight.</summary>
    internal static bool IsOfNorm(AdapterDelta update) => update switch
    {
        DenseDelta { Target.Parameter: "weight" } weight => weight.Values.Shape.Rank == 1 && !weight.Values.Name.EndsWith(".diff", StringComparison.Ordinal),
        DenseDelta { Target.Parameter: "bias" } bias => bias.Values.Name.EndsWith(".b_norm", StringComparison.Ordinal),
        _ => false,
    };
}

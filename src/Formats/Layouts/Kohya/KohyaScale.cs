using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>
/// A module's multiplier: alpha / rank, or A1111's <c>scale</c> in its place, times LyCORIS' <c>scalar</c>. See spec/layouts/kohya.md, "Scale".
/// </summary>
/// <param name="Value">The multiplier.</param>
/// <param name="Alpha">Alpha, the rank where none is stated.</param>
/// <param name="Tensor">The tensor that states alpha, where the multiplier is alpha / rank and nothing else.</param>
internal readonly record struct KohyaScale(double Value, double Alpha, TensorValue? Tensor)
{
    /// <param name="module">The module; what states its scale is claimed.</param>
    /// <param name="rank">What alpha is divided by; above 0.</param>
    public static KohyaScale Of(KohyaTensors module, long rank)
    {
        TensorValue? tensor = module.Find(KohyaKey.Alpha);
        double alpha = tensor is null ? rank : KohyaAlpha.Read(module.Name, tensor);
        (double? scale, double? scalar) = (module.Number("scale"), module.Number("scalar"));
        if (scale is null && module.Context.Scaled.Add(module.Name)) Note(module, tensor, alpha);
        if (alpha == 0) alpha = rank;
        return new((scale ?? (alpha / rank)) * (scalar ?? 1), alpha, scale is null && scalar is null ? tensor : null);
    }

    /// <summary>The multiplier as LoHa and LoKr have it: LyCORIS' own merge applies alpha / rank twice.</summary>
    public static KohyaScale OfLycoris(KohyaTensors module, long rank)
    {
        bool isStated = module.Has("scale");
        KohyaScale once = Of(module, rank);
        double ratio = once.Alpha / rank;
        if (!module.Context.ScalesTwice || isStated || ratio == 1) return once;
        module.Context.Squared.Add(module.Name);
        return once with { Value = once.Value * ratio };
    }

    /// <summary>The multiplier of a kind that has no rank: <c>scale</c> and <c>scalar</c>, 1 where they are not stated.</summary>
    public static double WithoutRank(KohyaTensors module) => (module.Number("scale") ?? 1) * (module.Number("scalar") ?? 1);

    private static void Note(KohyaTensors module, TensorValue? tensor, double alpha)
    {
        if (tensor is null) module.Context.WithoutAlpha.Add(module.Name);
        if (alpha != 0) return;
        module.Context.Issues.Add(new("zero_alpha", IssueSeverity.Warning,
            "alpha is 0, which means the rank to sd-scripts (scale 1) and nothing at all to others; read as sd-scripts does", module.Name.Path));
    }
}

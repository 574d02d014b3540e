using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>
/// LoKr: <c>lokr_w1</c> [o₁, i₁] or <c>lokr_w1_a</c>, <c>lokr_w1_b</c>; the same for w2, there also with a Tucker core <c>lokr_t2</c>. Where both are in full
/// the scale is 1, whatever alpha says.
/// </summary>
internal sealed class Lokr : IKohyaFamily
{
    public string Name => "LoKr";

    public IReadOnlyList<string> Endings => ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2"];

    public bool CanBeDecomposed => true;

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        if (module.Has("lokr_t1")) throw module.Unread("has lokr_t1, a core of the first factor, which LyCORIS never writes and which is not read");
        KroneckerFactor first = Factor(module, 1), second = Factor(module, 2);
        if ((module.ShapeOf("lokr_w2_b") ?? module.ShapeOf("lokr_w1_b")) is not { } factored)
        {
            double full = KohyaScale.WithoutRank(module);
            yield return new LokrDelta(module.Weight, first, second, full, null) { AlphaTensor = module.Find(KohyaKey.Alpha) };
            yield break;
        }

        KohyaScale scale = KohyaScale.OfLycoris(module, factored.Rank > 0 ? factored[0] : 1);
        yield return new LokrDelta(module.Weight, first, second, scale.Value, scale.Alpha) { AlphaTensor = scale.Tensor };
    }

    public bool Holds(AdapterDelta update) => update is LokrDelta { Target.Parameter: "weight" };

    /// <summary>Factors in full have no scale, and no square is below 0: scale and sign go into the first factor.</summary>
    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice)
    {
        LokrDelta lokr = (LokrDelta)update;
        double folded = Factored(lokr) is null ? lokr.Scale : scalesTwice && lokr.Scale < 0 ? -1 : 1;
        return folded == 1 ? lokr : new LokrDelta(lokr.Target, lokr.First with { Up = ScaledTensor.Of(lokr.First.Up, folded, 1) }, lokr.Second, folded == -1 ? -lokr.Scale : 1, lokr.Alpha)
        {
            IsInnermost = lokr.IsInnermost,
        };
    }

    public string? Limit(AdapterDelta update, bool scalesTwice)
    {
        LokrDelta lokr = (LokrDelta)update;
        if (lokr.IsInnermost) return "has LoKr's first factor innermost, as PEFT trains convolutions of one dimension";
        if (lokr.First.Down is TuckerDown) return "has a Tucker core in LoKr's first factor";
        if (Factored(lokr) is { } down) return KohyaAlpha.Limit(lokr.Scale, down.Shape[0], scalesTwice);
        return lokr.Scale == 1 ? null : $"has LoKr with both factors in full and scale {lokr.Scale}, and the layout has none for it";
    }

    public void Write(AdapterDelta update, KohyaModule module)
    {
        LokrDelta lokr = (LokrDelta)update;
        AddFactor(module, 1, lokr.First with { Up = KohyaModule.OrZeros(lokr.First.Up, lokr.Scale) });
        AddFactor(module, 2, lokr.Second);
        if (Factored(lokr) is { } down) module.AddAlpha(lokr, down.Shape[0], lokr.Scale, module.ScalesTwice);
        // Of no use, but LyCORIS' own merge wants one.
        else module.Add(KohyaKey.Alpha, lokr.AlphaTensor ?? KohyaAlpha.Of(1, KohyaKey.Alpha).Tensor);
    }

    /// <summary>The factor whose rows are the rank; null where both are in full.</summary>
    private static TensorValue? Factored(LokrDelta lokr) => (lokr.Second.Down ?? lokr.First.Down) is { } down ? TuckerDown.Stored(down) : null;

    private static void AddFactor(KohyaModule module, int number, KroneckerFactor factor)
    {
        string name = $"lokr_w{number}";
        module.Add(factor.Down is null ? name : $"{name}_a", factor.Down is TuckerDown ? TransposedTensor.Of(factor.Up) : factor.Up);
        if (factor.Down is { } down) module.Add($"{name}_b", TuckerDown.Stored(down));
        if (factor.Down is TuckerDown core) module.Add($"lokr_t{number}", core.Mid);
    }

    private static KroneckerFactor Factor(KohyaTensors module, int number)
    {
        string name = $"lokr_w{number}";
        if (module.Has(name))
        {
            if (module.Has($"{name}_a") || module.Has($"{name}_b")) throw module.Wrong($"has {name} in full and as factors; expected one form");
            return new(module.Require(name));
        }

        (StoredTensor up, StoredTensor down) = (module.Require($"{name}_a"), module.Require($"{name}_b"));
        return module.Find($"lokr_t{number}") is { } core ? new(TuckerDown.Turned(module.Weight, up), TuckerDown.Of(module.Weight, down, core)) : new(up, down);
    }
}

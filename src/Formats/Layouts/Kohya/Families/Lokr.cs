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
            module.Find(KohyaKey.Alpha);
            double full = KohyaScale.WithoutRank(module);
            yield return new LokrDelta(module.Weight, first, second, full, null);
            yield break;
        }

        KohyaScale scale = KohyaScale.OfLycoris(module, factored.Rank > 0 ? factored[0] : 1);
        yield return new LokrDelta(module.Weight, first, second, scale.Value, scale.Alpha);
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

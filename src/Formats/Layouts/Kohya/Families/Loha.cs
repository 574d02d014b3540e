using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>
/// LoHa: <c>hada_w1_a</c> [out, r], <c>hada_w1_b</c> [r, in·kernel], the same for w2; with Tucker cores <c>hada_t1</c>, <c>hada_t2</c> [r, r, …kernel] the
/// first is [r, out].
/// </summary>
internal sealed class Loha : IKohyaFamily
{
    public string Name => "LoHa";

    public IReadOnlyList<string> Endings => ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"];

    public bool CanBeDecomposed => true;

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        if (module.Has("hada_t1") != module.Has("hada_t2")) throw module.Wrong("has one of hada_t1 and hada_t2; expected both or none");
        (TensorValue Up, TensorValue Down) first = Pair(module, 1), second = Pair(module, 2);
        KohyaScale scale = KohyaScale.OfLycoris(module, module.ShapeOf("hada_w1_b") is { Rank: > 0 } stored ? stored[0] : 1);
        yield return new LohaDelta(module.Weight, first, second, scale.Value, scale.Alpha);
    }

    private static (TensorValue Up, TensorValue Down) Pair(KohyaTensors module, int number)
    {
        (StoredTensor up, StoredTensor down) = (module.Require($"hada_w{number}_a"), module.Require($"hada_w{number}_b"));
        return module.Find($"hada_t{number}") is { } core ? (TuckerDown.Turned(module.Weight, up), TuckerDown.Of(module.Weight, down, core)) : (up, down);
    }
}

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
        yield return new LohaDelta(module.Weight, first, second, scale.Value, scale.Alpha) { AlphaTensor = scale.Tensor };
    }

    public bool Holds(AdapterDelta update) => update is LohaDelta { Target.Parameter: "weight" };

    /// <summary>No square is below 0: the sign goes into a factor.</summary>
    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => scalesTwice && update is LohaDelta { Scale: < 0 } loha
        ? new LohaDelta(loha.Target, loha.First with { Up = ScaledTensor.Of(loha.First.Up, -1, 1) }, loha.Second, -loha.Scale, loha.Alpha)
        : update;

    public string? Limit(AdapterDelta update, bool scalesTwice)
    {
        LohaDelta loha = (LohaDelta)update;
        if (loha.First.Down is TuckerDown != loha.Second.Down is TuckerDown) return "has a Tucker core in one of LoHa's two products, which both have or none";
        return KohyaAlpha.Limit(loha.Scale, Rank(loha), scalesTwice);
    }

    public void Write(AdapterDelta update, KohyaModule module)
    {
        LohaDelta loha = (LohaDelta)update;
        AddPair(module, 1, (KohyaModule.OrZeros(loha.First.Up, loha.Scale), loha.First.Down));
        AddPair(module, 2, loha.Second);
        module.AddAlpha(loha, Rank(loha), loha.Scale, module.ScalesTwice);
    }

    private static long Rank(LohaDelta loha) => TuckerDown.Stored(loha.First.Down).Shape[0];

    private static void AddPair(KohyaModule module, int number, (TensorValue Up, TensorValue Down) pair)
    {
        module.Add($"hada_w{number}_a", pair.Down is TuckerDown ? TransposedTensor.Of(pair.Up) : pair.Up);
        module.Add($"hada_w{number}_b", TuckerDown.Stored(pair.Down));
        if (pair.Down is TuckerDown core) module.Add($"hada_t{number}", core.Mid);
    }

    private static (TensorValue Up, TensorValue Down) Pair(KohyaTensors module, int number)
    {
        (StoredTensor up, StoredTensor down) = (module.Require($"hada_w{number}_a"), module.Require($"hada_w{number}_b"));
        return module.Find($"hada_t{number}") is { } core ? (TuckerDown.Turned(module.Weight, up), TuckerDown.Of(module.Weight, down, core)) : (up, down);
    }
}

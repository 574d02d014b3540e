using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>
/// GLoRA: <c>a1</c> [in, r], <c>a2</c> [r, in], <c>b1</c> [out, r], <c>b2</c> [r, in…], and <c>bm</c>, the core of a Tucker decomposition of b. Before version 3
/// LyCORIS had a1 and a2, b1 and b2 the other way round; shapes tell which, and where both would do, the lower rank.
/// </summary>
internal sealed class Glora : IKohyaFamily
{
    private const string A1 = "a1.weight", A2 = "a2.weight", B1 = "b1.weight", B2 = "b2.weight", Core = "bm.weight";

    public string Name => "GLoRA";

    public IReadOnlyList<string> Endings => [A1, A2, B1, B2, Core];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        (StoredTensor a1, StoredTensor a2, StoredTensor b1, StoredTensor b2) = (module.Require(A1), module.Require(A2), module.Require(B1), module.Require(B2));
        bool isOld = RankOf(b1) is { } old && old == a1.Shape[0] && RankOf(a2, 1) == old && RankOf(b2, 1) == old && IsMatrix(b2);
        bool isNew = RankOf(b2) is { } rank && rank == a2.Shape[0] && RankOf(a1, 1) == rank && RankOf(b1, 1) == rank && IsMatrix(b1);
        bool isCore = module.Has(Core);
        GloraFactors AsNew() => Factors(module, a1, a2, b1, module.Find(Core) is { } core ? TuckerDown.Of(module.Weight, b2, core) : b2);
        GloraFactors AsOld() => Factors(module, a2, a1, b2, b1);
        bool isOldFirst = isOld && !isCore && (!isNew || b1.Shape[0] < b2.Shape[0]);
        (GloraFactors first, GloraFactors? second) = isOldFirst ? (AsOld(), isNew ? AsNew() : null) : (AsNew(), isOld && !isCore ? AsOld() : null);
        yield return new GloraDelta(module.Weight, first, second, module.Number(KohyaKey.Alpha)) { IsExchanged = isOldFirst, AlphaTensor = KohyaScale.Of(module, 1).Tensor };
    }

    public bool Holds(AdapterDelta update) => update is GloraDelta { Target.Parameter: "weight" };

    public string? Limit(AdapterDelta update, bool scalesTwice)
    {
        GloraDelta glora = (GloraDelta)update;
        if (glora.Other is { } other && !HasNoAlpha(glora) && other.Scale * Rank(other) != glora.Factors.Scale * Rank(glora.Factors)) return "has tensors of GLoRA that can be taken in two ways, whose scales no alpha has";
        return KohyaAlpha.Limit(glora.Factors.Scale, Rank(glora.Factors));
    }

    public void Write(AdapterDelta update, KohyaModule module)
    {
        GloraDelta glora = (GloraDelta)update;
        GloraFactors factors = glora.Factors;
        bool isOld = glora.IsExchanged;
        module.Add(isOld ? A2 : A1, factors.A1);
        module.Add(isOld ? A1 : A2, KohyaModule.OrZeros(factors.A2, factors.Scale));
        module.Add(isOld ? B2 : B1, KohyaModule.OrZeros(factors.B1, factors.Scale));
        module.Add(isOld ? B1 : B2, TuckerDown.Stored(factors.B2));
        if (factors.B2 is TuckerDown core) module.Add(Core, core.Mid);
        if (!HasNoAlpha(glora)) module.AddAlpha(glora, Rank(factors), factors.Scale);
    }

    /// <summary>Without alpha both ways have scale 1, which no alpha says of both.</summary>
    private static bool HasNoAlpha(GloraDelta glora) => glora is { AlphaTensor: null, Factors.Scale: 1, Other.Scale: 1 };

    private static long Rank(GloraFactors factors) => factors.A2.Shape[0];

    private static GloraFactors Factors(KohyaTensors module, TensorValue a1, TensorValue a2, TensorValue b1, TensorValue b2) =>
        new(a1, a2, b1, b2, KohyaScale.Of(module, a2.Shape.Rank > 0 ? a2.Shape[0] : 1).Value);

    // Only the second factor of b has the kernel.
    private static bool IsMatrix(TensorValue factor) => factor.Shape.Sizes.Skip(2).All(size => size == 1);

    private static long? RankOf(TensorValue factor, int dimension = 0) => factor.Shape.Rank > dimension ? factor.Shape[dimension] : null;
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>IA³: <c>weight</c> [dim] or [1, dim, 1…], which is l − 1, and <c>on_input</c>, which is not 0 where it scales the inputs.</summary>
internal sealed class Ia3 : IKohyaFamily
{
    private const string Less = "weight", OnInput = "on_input";

    public string Name => "IA³";

    public IReadOnlyList<string> Endings => [Less, OnInput];

    public IReadOnlyList<string> Marks => [OnInput];

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        StoredTensor change = module.Require(Less);
        if (change.Shape.Sizes.Count(size => size > 1) > 1) throw module.Wrong($"has a weight {change.Shape} of IA³, which is no vector; expected [dim] or [1, dim, 1…]");
        yield return new Ia3Delta(module.Weight, change, module.Number(OnInput) is not (null or 0)) { IsChange = true };
    }

    public bool Holds(AdapterDelta update) => update is Ia3Delta { Target.Parameter: "weight" };

    /// <summary>PEFT has l itself.</summary>
    public AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => update is not Ia3Delta { IsChange: false } ia3 ? update : new Ia3Delta(ia3.Target, Change(ia3.Factors), ia3.ByInput)
    {
        IsChange = true,
        Orientation = ia3.Orientation,
        SquareIsInOut = ia3.SquareIsInOut,
    };

    public string? Limit(AdapterDelta update, bool scalesTwice) => update switch
    {
        Ia3Delta { IsChange: false } => "has factors of IA³ where the layout has their distance from 1",
        _ when update.Tensors[0].Shape.Sizes.Count(size => size > 1) > 1 => $"has factors {update.Tensors[0].Shape} of IA³, which are no vector",
        _ when KohyaKey.Parse(new($"{update.Target.Module}.{Less}", DType.F32, new TensorShape(1), 0, sizeof(float))).Ending != Less => "has a name that another kind's tensors have",
        _ => null,
    };

    public void Write(AdapterDelta update, KohyaModule module)
    {
        module.Add(Less, ((Ia3Delta)update).Factors);
        module.Add(OnInput, new MemoryTensor(OnInput, DType.I64, new TensorShape(), BitConverter.GetBytes(((Ia3Delta)update).ByInput ? 1L : 0L)));
    }

    private static RowTensor Change(TensorValue factors) => new(factors.Name, new TensorShape(factors.Shape.ElementCount), [factors], () =>
    {
        double[] values = factors.ToDoubles();
        return (row, change) => change[0] = values[row] - 1;
    });
}

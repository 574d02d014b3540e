using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>BOFT: <c>oft_blocks</c> [m, k, b, b], <c>rescale</c> [out, 1…], alpha for the constraint.</summary>
internal sealed class Boft : IKohyaFamily
{
    public string Name => "BOFT";

    public IReadOnlyList<string> Endings => [OftTensors.Blocks, OftTensors.Rescale];

    public IReadOnlyList<string> Marks => [OftTensors.Blocks];

    public bool Owns(KohyaTensors module) => module.ShapeOf(OftTensors.Blocks) is { Rank: 4 };

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        StoredTensor blocks = module.Require(OftTensors.Blocks);
        yield return new ButterflyDelta(module.Weight, blocks, OftTensors.RescaleOf(module), OftTensors.LimitOf(module, blocks)) { AlphaTensor = module.Find(KohyaKey.Alpha) };
    }

    public bool Holds(AdapterDelta update) => update is ButterflyDelta { Target.Parameter: "weight" };

    public string? Limit(AdapterDelta update, bool scalesTwice) => OftTensors.NameLimit((OutputRotationDelta)update);

    public void Write(AdapterDelta update, KohyaModule module) => OftTensors.Write((OutputRotationDelta)update, module);
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>Diag-OFT, and OFT of sd-scripts (<c>oft_unet_</c>): <c>oft_blocks</c> [k, n, n], <c>rescale</c> [out, 1…], alpha for the constraint.</summary>
internal sealed class DiagOft : IKohyaFamily
{
    public string Name => "Diag-OFT";

    public IReadOnlyList<string> Endings => [OftTensors.Blocks, OftTensors.Rescale];

    public IReadOnlyList<string> Marks => [OftTensors.Blocks];

    public bool Owns(KohyaTensors module) => module.ShapeOf(OftTensors.Blocks) is { Rank: not 4 };

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        StoredTensor blocks = module.Require(OftTensors.Blocks);
        yield return new DiagOftDelta(module.Weight, blocks, OftTensors.RescaleOf(module), OftTensors.LimitOf(module, blocks)) { AlphaTensor = module.Find(KohyaKey.Alpha) };
    }

    public bool Holds(AdapterDelta update) => update is DiagOftDelta { Target.Parameter: "weight" };

    public string? Limit(AdapterDelta update, bool scalesTwice) => OftTensors.NameLimit((OutputRotationDelta)update);

    public void Write(AdapterDelta update, KohyaModule module) => OftTensors.Write((OutputRotationDelta)update, module);
}

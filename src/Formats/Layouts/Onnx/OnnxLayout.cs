using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Onnx;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Onnx;

/// <summary>ONNX Runtime GenAI's adapters: factors turned and scaled, as the graph multiplies by them. See spec/layouts/onnx.md.</summary>
internal sealed class OnnxLayout : IAdapterLayout
{
    /// <inheritdoc/>
    public string Name => "onnx";

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) => source.Tensors.Container is "npz" or OnnxAdapterFile.ContainerName
        && source.Config?.Json.ContainsKey("peft_type") != true
        && source.Tensors.Tensors.Any(tensor => OnnxKey.Parse(tensor).IsFactor) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source)
    {
        KeyLedger ledger = new(source.Tensors);
        IReadOnlyList<FactorPair> modules = FactorPair.Group(source.Tensors.Path, source.Tensors.Tensors.Select(OnnxKey.Parse));
        List<AdapterDelta> deltas = [.. modules.Select(module => Delta(module, ledger)).OfType<AdapterDelta>()];
        ledger.Close();
        return new Adapter(source.Path, Name, source) { Deltas = deltas, Metadata = source.Tensors.Metadata };
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => ["the containers of ONNX Runtime GenAI are not written"];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        throw new InvalidOperationException();
    }

    /// <summary>The graph computes x·A·B with A [in, r] and B [r, out], so ΔW [out, in] = Bᵀ·Aᵀ; the scale is already in B.</summary>
    private static LowRankDelta? Delta(FactorPair module, KeyLedger ledger)
    {
        if (module.Whole(ledger) is not var (a, b)) return null;
        ParameterName target = new(module.Module, "weight");
        (StoredTensor storedA, StoredTensor storedB) = (ledger.Claim(a), ledger.Claim(b));
        AdapterDelta.RequireValues(target, storedA);
        AdapterDelta.RequireValues(target, storedB);
        if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[1] != b.Shape[0])
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(storedA.File!)}: module '{Printable.Text(module.Module.Path)}' has lora_A {a.Shape} and lora_B {b.Shape}, which do not chain; expected [in, r] and [r, out]",
                storedA.File, a.Name);
        }

        return new LowRankDelta(target, TransposedTensor.Of(storedA), TransposedTensor.Of(storedB), 1, a.Shape[1], WeightOrientation.OutIn);
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Npz;
using LoraKit.Formats.Onnx;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Onnx;

/// <summary>ONNX Runtime GenAI's adapters: factors turned and scaled, as the graph multiplies by them. See spec/layouts/onnx.md.</summary>
internal sealed class OnnxLayout : IAdapterLayout
{
    private const string Npz = ".npz";

    /// <inheritdoc/>
    public string Name => "onnx";

    /// <inheritdoc/>
    public IReadOnlyList<string> Endings { get; } = [".onnx_adapter", Npz, ".fb"];

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
    public bool Holds(AdapterDelta delta) => delta is LowRankDelta { Down: not TuckerDown };

    /// <inheritdoc/>
    public Adapter Fold(Adapter adapter) => adapter.WithDeltas([.. adapter.Deltas.Select(delta =>
        delta is LowRankDelta { Scale: not 1 } update ? update.With(update.Down, ScaledTensor.Of(update.Up, update.Scale, 1), 1, update.Rank) : delta)]);

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. FactorLimits.Of(adapter), .. FactorLimits.Replacements(adapter), .. FactorLimits.Scales(adapter),
        .. adapter.Deltas.OfType<LowRankDelta>().Where(delta => delta.Down.Shape.Rank != 2 || delta.Up.Shape.Rank != 2).Select(delta => $"'{Printable.Text(delta.Target.Path)}' has a kernel"),
        .. adapter.Deltas.Where(delta => PathGuard.Refusal(delta.Target.Module.Path + OnnxKey.Down + NpzFile.Ending, out _) is not null)
            .Select(delta => $"'{Printable.Text(delta.Target.Path)}' is no name that files of tensors may have"),
        .. adapter.LayerReplication.Count > 0 ? ["the layers of its base are replicated, and the names count the new ones"] : (string[])[],
    ];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter) => Write(adapter, Endings[0]);

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter, string path)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        bool isNpz = path.EndsWith(Npz, StringComparison.OrdinalIgnoreCase);
        TensorToWrite[] tensors = [.. adapter.Deltas.Cast<LowRankDelta>().SelectMany(update => Tensors(update, isNpz ? NpyHeader.Has : type => OnnxElements.NumberOf(type) is not null))];
        if (isNpz)
        {
            NpzWriter npz = new(tensors);
            return new AdapterFiles(true, [new("adapter" + Npz, npz.Length, npz.WriteTo)]);
        }

        OnnxAdapterWriter file = new(tensors);
        return new AdapterFiles(true, [new("adapter" + Endings[0], file.Length, file.WriteTo)]);
    }

    /// <summary>A and B turned, in a type that the container has.</summary>
    private static IEnumerable<TensorToWrite> Tensors(LowRankDelta update, Func<DType, bool> has)
    {
        string module = update.Target.Module.Path;
        return [Of(update.Down, OnnxKey.Down), Of(update.Up, OnnxKey.Up)];

        TensorToWrite Of(TensorValue factor, string ending)
        {
            TensorValue turned = TransposedTensor.Of(factor);
            return TensorToWrite.Of(has(turned.DType) ? turned : SinglesTensor.Of(turned), module + ending);
        }
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

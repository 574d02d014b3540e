using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Diffusers;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.DiffusersOld;

/// <summary>diffusers before PEFT: <c>lora.down</c>, <c>to_q_lora.down</c>, <c>lora_linear_layer.down</c>. See spec/layouts/diffusers-old.md.</summary>
internal sealed class DiffusersOldLayout : IAdapterLayout
{
    private const string LayoutName = "diffusers-old", Transformer = "transformer";

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public IReadOnlyList<string> Rules =>
    [
        "scales: into B, rounded once",
        "kinds other than LoRA: plain LoRA first, exactly or by SVD",
        "transformers, values in full, embeddings: refused",
    ];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) =>
        source.Tensors.Tensors.Any(tensor => DiffusersOldKey.Parse(tensor).IsFactor) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new DiffusersReader(source, LayoutName, DiffusersOldKey.Parse).Read();

    /// <inheritdoc/>
    public Adapter Fold(Adapter adapter) => adapter.Deltas.All(delta => delta is not LowRankDelta { Scale: not 1 })
        ? adapter
        : adapter.WithDeltas([.. adapter.Deltas.Select(delta => delta is LowRankDelta update ? update.With(update.Down, ScaledTensor.Of(update.Up, update.Scale, 1), 1, update.Rank) : delta)]);

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. FactorLimits.Of(adapter), .. FactorLimits.Replacements(adapter), .. FactorLimits.Scales(adapter),
        .. adapter.Deltas.Where(delta => delta.Target.Module.Path.StartsWith(Transformer, StringComparison.Ordinal))
            .Select(delta => $"'{Printable.Text(delta.Target.Path)}' is of a transformer, of which diffusers reads PEFT's names alone"),
    ];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        SafetensorsWriter file = new(adapter.Deltas.Cast<LowRankDelta>().SelectMany(Tensors), new Dictionary<string, string>(adapter.Metadata) { ["format"] = "pt" });
        return new AdapterFiles(true, [new("pytorch_lora_weights.safetensors", file.Header.FileLength, (output, path, cancellation) => file.WriteTo(output, path, cancellation))]);
    }

    private static IEnumerable<TensorToWrite> Tensors(LowRankDelta module) =>
    [
        TensorToWrite.Of(module.Down, DiffusersOldKey.Stem(module.Target.Module) + ".down.weight"),
        TensorToWrite.Of(module.Up, DiffusersOldKey.Stem(module.Target.Module) + ".up.weight"),
    ];
}

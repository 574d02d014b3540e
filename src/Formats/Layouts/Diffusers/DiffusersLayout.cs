using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Comfy;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Layouts.Peft;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Diffusers;

/// <summary>diffusers since 0.22: PEFT's factors of a pipeline's models, in one file. See spec/layouts/diffusers.md.</summary>
internal sealed class DiffusersLayout : IAdapterLayout
{
    public const string LayoutName = "diffusers";

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public IReadOnlyList<string> Rules =>
    [
        "kinds other than LoRA and DoRA: plain LoRA first, exactly or by SVD",
        "values in full, embeddings, weights stored [in, out]: refused",
        "alpha tensors: scales go into lora_adapter_metadata",
    ];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) =>
        source.Config?.Json.ContainsKey("peft_type") != true && !ComfyKey.IsOf(source) && source.Tensors.Tensors.Any(tensor => DiffusersKey.Parse(tensor).IsFactor)
            ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new DiffusersReader(source, LayoutName, DiffusersKey.Parse).Read();

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. FactorLimits.Of(adapter, takesMagnitudes: true), .. FactorLimits.Replacements(adapter),
        .. adapter.Deltas.Where(delta => DiffusersKey.ComponentOf(delta.Target.Module.Path) is null)
            .Select(delta => $"'{Printable.Text(delta.Target.Path)}' begins with no component of a pipeline (unet, transformer, text_encoder, …)"),
        .. adapter.Deltas.Where(delta => PeftKinds.Factors(delta) is not null).GroupBy(delta => DiffusersKey.ComponentOf(delta.Target.Module.Path))
            .Where(component => component.Select(delta => delta.Facts.Dora).Distinct().Count() > 1)
            .Select(component => $"some modules of {component.Key} have the magnitudes of DoRA and others not, and use_dora is one flag for all of them"),
        .. adapter.Deltas.Select(PeftKinds.Factors).OfType<LowRankDelta>().Where(delta => !double.IsFinite(delta.Scale * delta.Rank))
            .Select(delta => $"'{Printable.Text(delta.Target.Path)}' has an alpha beyond double precision"),
    ];

    /// <inheritdoc/>
    public bool Holds(AdapterDelta delta) => PeftKinds.Factors(delta) is not null;

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        Dictionary<string, string> metadata = DiffusersMetadata.Of(adapter.Path, adapter.Metadata, adapter.Deltas);
        SafetensorsWriter file = new(adapter.Deltas.SelectMany(Tensors), metadata);
        return new AdapterFiles(true, [new("pytorch_lora_weights.safetensors", file.Header.FileLength, (output, path, cancellation) => file.WriteTo(output, path, cancellation))]);
    }

    private static IEnumerable<TensorToWrite> Tensors(AdapterDelta update)
    {
        LowRankDelta module = PeftKinds.Factors(update)!;
        yield return TensorToWrite.Of(module.Down, module.Target.Module.Path + ".lora_A.weight");
        yield return TensorToWrite.Of(module.Up, module.Target.Module.Path + ".lora_B.weight");
        if (update is MagnitudeDelta dora) yield return PeftMagnitudes.Tensor(module.Target.Module.Path, dora);
    }
}

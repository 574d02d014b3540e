using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Cloneofsimo;

/// <summary>cloneofsimo/lora: factors by the number of the module, tokens' vectors beside them. See spec/layouts/cloneofsimo.md.</summary>
internal sealed class CloneofsimoLayout : IAdapterLayout
{
    /// <summary>Why a token's vector is there.</summary>
    public const string Token = "token_embedding";

    /// <inheritdoc/>
    public string Name => "cloneofsimo";

    /// <inheritdoc/>
    public IReadOnlyList<string> Rules =>
    [
        "names: modules are numbers, so that only an adapter of this layout can be written",
        "scales, kinds other than LoRA: refused",
    ];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) =>
        source.Tensors.Tensors.Any(tensor => CloneofsimoKey.Parse(tensor).IsFactor) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new CloneofsimoReader(source).Read();

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. FactorLimits.Of(adapter), .. FactorLimits.Scales(adapter),
        .. adapter.Replacements.Where(replacement => replacement.Reason != Token).Select(replacement => $"'{Printable.Text(replacement.Target.Path)}' is replaced in full ({replacement.Reason})"),
        .. adapter.Deltas.Where(delta => CloneofsimoKey.PartOf(delta.Target.Module.Path) is not { } part || !adapter.Metadata.ContainsKey(part))
            .Select(delta => $"'{Printable.Text(delta.Target.Path)}' has no number among the model's modules (unet:0) with the classes of those in the metadata"),
    ];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        Dictionary<string, string> metadata = new(adapter.Metadata, StringComparer.Ordinal);
        List<TensorToWrite> tensors = [.. adapter.Replacements.Select(token => TensorToWrite.Of(token.Values, token.Target.Path))];
        foreach (LowRankDelta module in adapter.Deltas.Cast<LowRankDelta>())
        {
            metadata[CloneofsimoKey.RankOf(module.Target.Module)] = module.Rank.ToString(CultureInfo.InvariantCulture);
            tensors.Add(TensorToWrite.Of(module.Down, module.Target.Module.Path + ":down"));
            tensors.Add(TensorToWrite.Of(module.Up, module.Target.Module.Path + ":up"));
        }

        SafetensorsWriter file = new(tensors, metadata);
        return new AdapterFiles(true, [new("lora.safetensors", file.Header.FileLength, (output, path, cancellation) => file.WriteTo(output, path, cancellation))]);
    }
}

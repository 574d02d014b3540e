using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>sd-scripts' LoRA and LyCORIS' LoCon: one file of lora_down, lora_up and alpha by module. See spec/layouts/kohya.md.</summary>
internal sealed class KohyaLayout : IAdapterLayout
{
    public const string LayoutName = "kohya";

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) =>
        source.Tensors.Tensors.Any(tensor => KohyaKey.Parse(tensor).Role is KohyaRole.Down or KohyaRole.Up) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new KohyaReader(source).Read();

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. adapter.Deltas.Select(Limit).OfType<string>(),
        .. adapter.Replacements.Select(replacement => $"'{Printable.Text(replacement.Target.Path)}' is replaced in full ({replacement.Reason})"),
        .. LayoutLimits.SeveralUpdates(adapter),
        .. adapter.LayerReplication.Count > 0 ? ["the layers of its base are replicated, and the names count the new ones"] : (string[])[],
    ];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new KohyaWriter(adapter).Write();
    }

    private static string? Limit(AdapterDelta delta)
    {
        string target = $"'{Printable.Text(delta.Target.Path)}'";
        return delta switch
        {
            not LowRankDelta => $"{target} has an update of kind {delta.Kind}",
            _ when delta.Target.Module.Path.Length == 0 || delta.Target.Parameter != "weight" => $"{target} is no module's weight",
            LowRankDelta { IsEmbedding: true } => $"{target} is an embedding",
            LowRankDelta { Orientation: WeightOrientation.InOut } => $"{target} is stored transposed in the base",
            LowRankDelta lora when !double.IsFinite(lora.Scale * KohyaModule.RankOf(lora)) => $"{target} has an alpha beyond double precision",
            _ => null,
        };
    }
}

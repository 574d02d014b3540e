using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Comfy;
using LoraKit.Formats.Layouts.Hcp;
using LoraKit.Formats.Layouts.Peft;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>
/// sd-scripts' LoRA and every kind of LyCORIS: one file of tensors by module. Two names for it, by whose names the modules have: LyCORIS' own begin with
/// <c>lycoris_</c>. See spec/layouts/kohya.md and spec/layouts/lycoris.md.
/// </summary>
internal sealed class KohyaLayout(string name) : IAdapterLayout
{
    public const string KohyaName = "kohya";
    public const string LycorisName = "lycoris";

    private const string LycorisPrefix = "lycoris_";

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source)
    {
        if (ComfyKey.IsOf(source) || source.Tensors.Tensors.Any(tensor => HcpKey.Parse(tensor).IsFactor)) return LayoutMatch.No;
        string[] names = [.. source.Tensors.Tensors.Select(tensor => tensor.Name)];
        string?[] endings = [.. source.Tensors.Tensors.Select(tensor => KohyaKey.Parse(tensor).Ending)];
        bool isLora = endings.Any(ending => ending is KohyaKey.Down or KohyaKey.Up);
        // PEFT has kinds of the same endings; its names have its prefix, or its configuration lies beside them.
        bool isOther = endings.Any(ending => ending is not null && KohyaKey.IsMark(ending))
            && !names.Any(tensor => tensor.Contains(PeftKey.Prefix, StringComparison.Ordinal) || tensor.Contains(".lora_A.", StringComparison.Ordinal))
            && (source.Config?.Json.ContainsKey("peft_type") != true || ForeignKeys.Describe(source.Tensors) is not null);
        bool isLycoris = names.Any(tensor => tensor.StartsWith(LycorisPrefix, StringComparison.Ordinal));
        return (isLora || isOther) && isLycoris == (name == LycorisName) ? LayoutMatch.Certain : LayoutMatch.No;
    }

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new KohyaReader(source, name, KohyaKey.Parse).Read();

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
        return new KohyaWriter(adapter, module => module.Tensors()).Write();
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

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Kohya.Families;
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

    private static readonly HashSet<string> Marks = [.. KohyaFamilyList.All.SelectMany(family => family.Marks)];

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source)
    {
        string[] names = [.. source.Tensors.Tensors.Select(tensor => tensor.Name)];
        string?[] endings = [.. source.Tensors.Tensors.Select(tensor => KohyaKey.Parse(tensor).Ending)];
        bool isLora = endings.Any(ending => ending is KohyaKey.Down or KohyaKey.Up);
        // PEFT has kinds of the same endings; its names have its prefix, or its configuration lies beside them.
        bool isOther = endings.Any(ending => ending is not null && Marks.Contains(ending))
            && !names.Any(tensor => tensor.Contains(PeftKey.Prefix, StringComparison.Ordinal) || tensor.Contains(".lora_A.", StringComparison.Ordinal))
            && (source.Config?.Json.ContainsKey("peft_type") != true || ForeignKeys.Describe(source.Tensors) is not null);
        bool isLycoris = names.Any(tensor => tensor.StartsWith(LycorisPrefix, StringComparison.Ordinal));
        return (isLora || isOther) && isLycoris == (name == LycorisName) ? LayoutMatch.Certain : LayoutMatch.No;
    }

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new KohyaReader(source, name).Read();

    /// <inheritdoc/>
    public bool Holds(AdapterDelta delta) => KohyaFamilyList.Of(delta) is not null || delta is SparseResidualDelta;

    /// <inheritdoc/>
    public Adapter Fold(Adapter adapter)
    {
        AdapterDelta[] folded = [.. KohyaFamilyList.Of(adapter.Deltas).Select(update => Folded(update.Update, update.Family))];
        return folded.SequenceEqual(adapter.Deltas) ? adapter : new Adapter(adapter.Path, adapter.Layout, file: null)
        {
            Deltas = folded,
            Replacements = adapter.Replacements,
            LayerReplication = adapter.LayerReplication,
            Config = adapter.Config,
            BaseModules = adapter.BaseModules,
            Metadata = adapter.Metadata,
            Issues = adapter.Issues,
        };
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => KohyaLimits.Of(adapter, name);

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new KohyaWriter(adapter, scalesTwice: name == LycorisName).Write();
    }

    private AdapterDelta Folded(AdapterDelta update, IKohyaFamily? family)
    {
        if (family is null or Locon) return update;
        if (update is not MagnitudeDelta dora) return family.Fold(update, name == LycorisName);
        AdapterDelta inner = family.Fold(dora.Inner, name == LycorisName);
        return inner == dora.Inner ? dora : new MagnitudeDelta(inner, dora.Magnitude, dora.Axis, dora.Norm, dora.Epsilon);
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Comfy;

/// <summary>
/// ComfyUI's own names: the original model's with <c>diffusion_model.</c> or <c>text_encoders.</c> before them, or with nothing. The kinds are kohya's and LyCORIS', and so are the
/// tensors; plain LoRA is under PEFT's endings. See spec/layouts/comfy.md.
/// </summary>
internal sealed class ComfyLayout : IAdapterLayout
{
    public const string LayoutName = "comfy";

    private static readonly IAdapterLayout Kohya = new KohyaLayout(KohyaLayout.KohyaName);

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public IReadOnlyList<string> Rules =>
    [
        "all that kohya cannot say",
        "names without dots: refused, unless the architecture is known",
    ];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) => ComfyKey.IsOf(source) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => new KohyaReader(source, LayoutName, ComfyKey.Parse).Read();

    /// <inheritdoc/>
    public bool Holds(AdapterDelta delta) => Kohya.Holds(delta);

    /// <inheritdoc/>
    public Adapter Fold(Adapter adapter) => Kohya.Fold(adapter);

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) =>
    [
        .. Kohya.Limits(adapter),
        .. adapter.Deltas.Select(delta => delta.Target.Module).Concat(adapter.Replacements.Select(replacement => replacement.Target.Module)).Any(ComfyKey.IsName)
            ? (string[])[]
            : ["no module's name begins as ComfyUI's do (diffusion_model., text_encoders., or a denoiser's block)"],
    ];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new KohyaWriter(adapter, scalesTwice: false, Spelled).Write();
    }

    /// <summary>Plain factors under PEFT's endings, alpha where it says more than that the scale is 1. With a core between them they keep kohya's: ComfyUI looks for it beside those alone.</summary>
    private static IEnumerable<TensorToWrite> Spelled(KohyaModule module)
    {
        IReadOnlyList<TensorToWrite> tensors = module.Tensors;
        bool isPlain = !tensors.Any(tensor => EndsIn(tensor, KohyaKey.Mid)) && tensors.Any(tensor => EndsIn(tensor, KohyaKey.Down));
        return !isPlain ? tensors : tensors.Where(tensor => !(module.IsAlphaImplied && EndsIn(tensor, KohyaKey.Alpha))).Select(tensor =>
            EndsIn(tensor, KohyaKey.Down) ? Renamed(tensor, KohyaKey.Down, ComfyKey.A) : EndsIn(tensor, KohyaKey.Up) ? Renamed(tensor, KohyaKey.Up, ComfyKey.B) : tensor);
    }

    private static bool EndsIn(TensorToWrite tensor, string ending) => tensor.Name.EndsWith('.' + ending, StringComparison.Ordinal);

    private static TensorToWrite Renamed(TensorToWrite tensor, string from, string to) => tensor with { Name = tensor.Name[..^from.Length] + to };
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>mlx-lm: adapters.safetensors and the arguments of the training as adapter_config.json. See spec/layouts/mlx.md.</summary>
internal sealed class MlxLayout : IAdapterLayout
{
    public const string LayoutName = "mlx";

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source)
    {
        if (source.Config?.Json.ContainsKey("peft_type") == true || source.Tensors.Container == GgufFile.ContainerName) return LayoutMatch.No;
        bool isMlx = source.Config?.Json.ContainsKey(MlxConfig.Method) == true || source.Tensors.Tensors.Any(tensor => MlxKey.Parse(tensor).IsFactor);
        return isMlx ? LayoutMatch.Certain : LayoutMatch.No;
    }

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => source.Config is null
        ? throw new InvalidAdapterException(
            $"{Printable.Text(source.Tensors.Path)}: has MLX's tensor names, but there is no {AdapterConfigFile.Name} beside it: "
            + "the scale cannot be known; put the one that was saved with it into the same folder", source.Tensors.Path)
        : new MlxReader(source, new MlxConfig(source.Config, source.ConfigPath ?? AdapterConfigFile.Name)).Read();

    /// <inheritdoc/>
    public bool Holds(AdapterDelta delta) => MlxModule.Of(delta) is not null;

    /// <inheritdoc/>
    public Adapter Fold(Adapter adapter) => MlxFold.Of(adapter);

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => MlxLimits.Of(adapter);

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new MlxWriter(adapter).Write();
    }
}

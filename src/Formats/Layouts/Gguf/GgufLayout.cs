using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>llama.cpp: one .gguf file. Modules bear Hugging Face's names. See spec/layouts/gguf.md.</summary>
internal sealed class GgufLayout : IAdapterLayout
{
    public const string LayoutName = "gguf";

    /// <summary>PEFT's setting for the tokens from which on an adapter works (aLoRA).</summary>
    public const string InvocationTokens = "alora_invocation_tokens";

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    public IReadOnlyList<string> Endings => [".gguf"];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) => source.Tensors.Container == GgufFile.ContainerName ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source) => source.Tensors is GgufFile file
        ? new GgufReader(source, file).Read()
        : throw new InvalidAdapterException($"{Printable.Text(source.Tensors.Path)}: is no GGUF file", source.Tensors.Path);

    /// <summary>One alpha for all: what differs from it goes into B.</summary>
    public Adapter Fold(Adapter adapter)
    {
        float alpha = GgufAlpha.Of(adapter.Deltas.OfType<LowRankDelta>());
        return adapter.Deltas.OfType<LowRankDelta>().All(module => GgufAlpha.Is(module, alpha))
            ? adapter
            : adapter.WithDeltas([.. adapter.Deltas.Select(delta => delta is LowRankDelta module ? GgufAlpha.With(module, alpha) : delta)]);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => GgufLimits.Of(adapter);

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new GgufAdapterWriter(adapter).Write();
    }
}

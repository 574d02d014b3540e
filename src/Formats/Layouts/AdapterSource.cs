using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts;

/// <summary>An adapter on disk before anything is made of it: its tensors, and the configuration beside them where there is one.</summary>
/// <param name="Path">What the user named: a folder or a file.</param>
/// <param name="Tensors">The open tensor file.</param>
/// <param name="Config">adapter_config.json beside it, parsed; null where there is none.</param>
/// <param name="ConfigPath">Where that configuration lies.</param>
public sealed record AdapterSource(string Path, ITensorSource Tensors, AdapterConfig? Config, string? ConfigPath) : IDisposable
{
    /// <summary>What the user said of it.</summary>
    public AdapterReadOptions Options { get; init; } = AdapterReadOptions.Default;

    /// <summary>Closes the tensor file.</summary>
    public void Dispose() => Tensors.Dispose();
}

using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>A tensor file that is none: names and shapes, and values where a test needs them.</summary>
internal sealed class MemorySource(params IReadOnlyList<MemorySource.Entry> entries) : ITensorSource
{
    public sealed record Entry(string Name, DType DType, TensorShape Shape, byte[]? Bytes = null);

    public string Path { get; init; } = "adapter_model.safetensors";

    public string Container { get; init; } = "memory";

    public IReadOnlyList<TensorInfo> Tensors { get; } =
        [.. entries.Select(e => new TensorInfo(e.Name, e.DType, e.Shape, 0, e.Shape.ElementCount * e.DType.Bits() / 8))];

    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string> { ["format"] = "pt" };

    public bool IsDisposed { get; private set; }

    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) =>
        (tensor = Tensors.FirstOrDefault(t => t.Name == name)) is not null;

    public void Read(TensorInfo tensor, long start, Span<byte> destination)
    {
        byte[] bytes = entries.First(e => e.Name == tensor.Name).Bytes ?? throw new InvalidOperationException($"no values for {tensor.Name}");
        bytes.AsSpan((int)start, destination.Length).CopyTo(destination);
    }

    public void Dispose() => IsDisposed = true;
}

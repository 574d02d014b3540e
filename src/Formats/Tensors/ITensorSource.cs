using System.Diagnostics.CodeAnalysis;

namespace LoraKit.Formats.Tensors;

/// <summary>
/// An open file of named tensors, whatever the container. Reading is positional and safe from several threads at once.
/// </summary>
public interface ITensorSource : IDisposable
{
    /// <summary>The path it was opened from.</summary>
    string Path { get; }

    /// <summary>The container's name: <c>safetensors</c>, <c>pickle</c>, <c>npz</c>, <c>onnx_adapter</c>, <c>gguf</c>.</summary>
    string Container { get; }

    /// <summary>All tensors: a safetensors file's in the order of their bytes, others' in the order in which the file lists them.</summary>
    IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The file's own metadata; empty where it has none.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Finds a tensor by its exact name.</summary>
    bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor);

    /// <summary>Fills <paramref name="destination"/> with the tensor's bytes from <paramref name="start"/> on (little-endian, row-major).</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="start">First byte wanted, counted within the tensor.</param>
    /// <param name="destination">Where to; start + length must not pass the tensor's end.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the tensor.</exception>
    /// <exception cref="InvalidFileException">The file has become shorter than its header says.</exception>
    void Read(TensorInfo tensor, long start, Span<byte> destination);
}

using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>
/// An open GGUF file. <see cref="ITensorSource.Tensors"/> are those whose values are read: the plain ones, and Q8_0's as F32, which holds them exactly. All are in
/// <see cref="Header"/>, with the other quantised types.
/// </summary>
internal sealed class GgufFile : ITensorSource
{
    public const string ContainerName = "gguf";

    private readonly OpenFile _file;
    private readonly TensorContainer _values;

    private GgufFile(OpenFile file, GgufHeader header)
    {
        _file = file;
        Header = header;
        _values = new(file, ContainerName, [.. header.Tensors.Select(Values).OfType<PlacedTensor>()],
            header.KeyValues.Where(pair => pair.Value.Shown is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Shown!, StringComparer.Ordinal));
    }

    /// <exception cref="InvalidFileException">It is no valid GGUF file.</exception>
    /// <exception cref="UnsupportedException">Another version, byte order, or type of tensor or value.</exception>
    public static GgufFile Read(OpenFile file) => new(file, GgufHeader.Read(file));

    /// <summary>The checked header.</summary>
    public GgufHeader Header { get; }

    /// <summary>Whether it is a model: what says nothing of itself is one, as it was before files did.</summary>
    public bool IsModel => Header.KeyValues.GetValueOrDefault(GgufKeys.Type) is not { } type || type.Text == "model";

    /// <inheritdoc/>
    public string Path => _values.Path;

    /// <inheritdoc/>
    public string Container => _values.Container;

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => _values.Tensors;

    /// <summary>The key/values that are one value each, as text.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _values.Metadata;

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => _values.TryGetTensor(name, out tensor);

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long start, Span<byte> destination) => _values.Read(tensor, start, destination);

    /// <summary>A tensor's bytes as they are stored, of any type.</summary>
    /// <param name="tensor">One of the header's.</param>
    /// <param name="start">First byte wanted, counted within the tensor.</param>
    /// <param name="destination">Where to; start + length must not pass the tensor's end.</param>
    /// <exception cref="InvalidFileException">The file has become shorter than its header says.</exception>
    public void ReadStored(GgufTensor tensor, long start, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensor.ByteLength - start, nameof(destination));
        _file.Read(tensor.Offset + start, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _values.Dispose();

    private PlacedTensor? Values(GgufTensor tensor)
    {
        FileRange stored = new(_file, tensor.Offset, tensor.ByteLength);
        if (tensor.Type.DType is { } dtype) return new(new(tensor.Name, dtype, tensor.Shape, tensor.Offset, tensor.ByteLength), stored, 0);
        if (tensor.Type != GgmlType.Q8_0) return null;
        Q8Range values = new(stored);
        return new(new(tensor.Name, DType.F32, tensor.Shape, tensor.Offset, values.Length), values, 0);
    }
}

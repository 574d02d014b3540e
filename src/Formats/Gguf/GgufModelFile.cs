using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Gguf;

/// <summary>
/// An open GGUF file as a checkpoint: every tensor by its stored bytes, of whatever type. Quantised ones are blocks (<see cref="TensorInfo.Blocks"/>), which are copied and
/// not read as numbers; those of Q8_0 are, by <see cref="Values"/>.
/// </summary>
internal sealed class GgufModelFile : ICheckpointFile
{
    private const string SplitCount = "split.count";

    private readonly OpenFile _file;
    private readonly GgufFile _values;
    private readonly Dictionary<string, TensorInfo> _byName;

    private GgufModelFile(OpenFile file)
    {
        _file = file;
        _values = GgufFile.Read(file);
        Tensors = [.. _values.Header.Tensors.OrderBy(tensor => tensor.Offset).Select(Stored)];
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <exception cref="InvalidFileException">It is no valid GGUF file.</exception>
    /// <exception cref="UnsupportedException">Another version, byte order, or type of tensor or value; an adapter, or a part of a model.</exception>
    public static GgufModelFile Open(string path)
    {
        OpenFile file = OpenFile.Open(path);
        try
        {
            GgufModelFile model = new(file);
            if (model.KeyValues.GetValueOrDefault(SplitCount)?.Integer > 1)
                throw file.Unsupported("is a part of a split model, which is not read; put it together first (llama-gguf-split --merge)");
            if (model.KeyValues.GetValueOrDefault(GgufKeys.Type)?.Text == GgufKeys.Adapter) throw file.Unsupported("is an adapter; expected a model");
            return model;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>What the header says of the model.</summary>
    public IReadOnlyDictionary<string, GgufValue> KeyValues => _values.Header.KeyValues;

    /// <summary>The same, of what names and orders of rows depend on.</summary>
    public BaseFacts Facts => BaseFacts.Of(_values.Header);

    /// <inheritdoc/>
    public SafeFileHandle Handle => _file.Handle;

    /// <inheritdoc/>
    public long HeaderLength => _values.Header.DataOffset;

    /// <inheritdoc/>
    public long FileLength => _file.Length;

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public string Container => _values.Container;

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _values.Metadata;

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>A tensor's values, where its blocks can be read and written: Q8_0's, as singles, which hold them exactly. Null for others.</summary>
    public StoredTensor? Values(string name) =>
        _byName[name].Blocks == GgmlType.Q8_0.Name && _values.TryGetTensor(name, out TensorInfo? values) ? new(_values, values) : null;

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long start, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensor.ByteLength - start, nameof(destination));
        _file.Read(tensor.Offset + start, destination);
    }

    /// <inheritdoc/>
    public void ReadHeader(Span<byte> destination)
    {
        if (destination.Length != HeaderLength)
            throw new ArgumentException($"the header takes {HeaderLength} bytes, the destination has {destination.Length}", nameof(destination));
        _file.Read(0, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static TensorInfo Stored(GgufTensor tensor) => new(tensor.Name, tensor.Type.DType ?? DType.U8, tensor.Shape, tensor.Offset, tensor.ByteLength)
    {
        Blocks = tensor.Type.DType is null ? tensor.Type.Name : null,
    };
}

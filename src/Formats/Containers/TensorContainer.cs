using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Containers;

/// <summary>An open file whose tensors have been placed: a pickle's or an .npz's.</summary>
internal sealed class TensorContainer : ITensorSource
{
    private readonly OpenFile _file;
    private readonly Dictionary<string, PlacedTensor> _byName;

    /// <param name="file">The open file; closed with this.</param>
    /// <param name="container">The container's name.</param>
    /// <param name="tensors">In the order in which the file lists them.</param>
    /// <param name="metadata">The file's own.</param>
    /// <exception cref="InvalidFileException">A name stands twice.</exception>
    public TensorContainer(OpenFile file, string container, IReadOnlyList<PlacedTensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        _file = file;
        Container = container;
        Metadata = metadata;
        Tensors = [.. tensors.Select(tensor => tensor.Info)];
        _byName = new(tensors.Count, StringComparer.Ordinal);
        foreach (PlacedTensor tensor in tensors)
        {
            if (!_byName.TryAdd(tensor.Info.Name, tensor)) throw file.Invalid("stands twice in the file", tensor.Info.Name);
        }
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public string Container { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = _byName.GetValueOrDefault(name)?.Info;
        return tensor is not null;
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long start, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, tensor.ByteLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensor.ByteLength - start, nameof(destination));
        if (destination.IsEmpty) return;
        PlacedTensor placed = _byName[tensor.Name];
        placed.Bytes.Read(placed.Start + start, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}

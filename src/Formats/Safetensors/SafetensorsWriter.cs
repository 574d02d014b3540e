using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// Writes a whole safetensors file: the header is planned at once, the tensors are asked for their bytes one after the other in
/// the canonical order, in pieces of bounded size. The same tensors and metadata make the same bytes.
/// </summary>
public sealed class SafetensorsWriter
{
    private readonly Dictionary<string, TensorToWrite> _tensors = new(StringComparer.Ordinal);

    /// <summary>Plans a file.</summary>
    /// <param name="tensors">The tensors, in any order.</param>
    /// <param name="metadata">The metadata; null writes none.</param>
    /// <exception cref="ArgumentException">As <see cref="SafetensorsHeader.Plan"/>.</exception>
    public SafetensorsWriter(IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        TensorToWrite[] all = [.. tensors];
        Header = SafetensorsHeader.Plan(all.Select(tensor => (tensor.Name, tensor.DType, tensor.Shape)), metadata);
        foreach (TensorToWrite tensor in all)
        {
            _tensors.Add(tensor.Name, tensor);
        }
    }

    /// <summary>The header of the file to be written; its <see cref="SafetensorsHeader.FileLength"/> is the file's.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Writes the file from the stream's position on.</summary>
    public void WriteTo(Stream stream, CancellationToken cancellation = default) => Write((_, bytes) => stream.Write(bytes), cancellation);

    /// <summary>Writes the file into an output, which the caller commits.</summary>
    /// <param name="output">The output.</param>
    /// <param name="relativePath">The file's place in it.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <exception cref="OutputException">It could not be written, or reads back differently.</exception>
    public void WriteTo(AtomicOutput output, string relativePath, CancellationToken cancellation = default) =>
        WriteTo(output, relativePath, null, cancellation);

    /// <summary>Writes the file, and then its header once more, with the metadata that the data makes.</summary>
    internal void WriteTo(AtomicOutput output, string relativePath, IMetadataOfData? metadata, CancellationToken cancellation)
    {
        OutputFile file = output.CreateFile(relativePath, Header.FileLength);
        Write(
            (offset, bytes) =>
            {
                file.Write(offset, bytes);
                if (offset >= Header.DataOffset) metadata?.Append(bytes);
            },
            cancellation);
        byte[] header = metadata is null ? Header.ToBytes() : HeaderWith(metadata.Finish());
        if (metadata is not null) file.Write(0, header);
        file.Confirm(0, header);
    }

    private byte[] HeaderWith(IReadOnlyDictionary<string, string> metadata)
    {
        byte[] header = SafetensorsHeader.Plan(Header.Tensors.Select(tensor => (tensor.Name, tensor.DType, tensor.Shape)), metadata).ToBytes();
        if (header.Length != Header.DataOffset) throw new InvalidOperationException($"the header grew from {Header.DataOffset} to {header.Length} bytes");
        return header;
    }

    private void Write(TensorPiece sink, CancellationToken cancellation)
    {
        sink(0, Header.ToBytes());
        byte[] piece = TensorToWrite.Buffer(_tensors.Values);
        foreach (TensorInfo tensor in Header.Tensors)
        {
            _tensors[tensor.Name].Copy(piece, (start, bytes) => sink(tensor.Offset + start, bytes), cancellation);
        }
    }
}

using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>A tensor of a GGUF file to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">How its elements are stored.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Bytes">Where its bytes come from, as stored; asked for in ascending order.</param>
internal sealed record GgufTensorToWrite(string Name, GgmlType Type, TensorShape Shape, TensorBytes Bytes);

/// <summary>
/// Writes a whole GGUF file: the header is planned at once, the tensors are asked for their bytes one after the other, in pieces of bounded size. The same tensors
/// and values make the same bytes.
/// </summary>
internal sealed class GgufWriter
{
    private const int PieceLength = 1 << 20;

    private readonly IReadOnlyList<GgufTensorToWrite> _tensors;

    /// <exception cref="ArgumentException">As <see cref="GgufHeader.Plan"/>.</exception>
    public GgufWriter(IEnumerable<KeyValuePair<string, GgufValue>> keyValues, IReadOnlyList<GgufTensorToWrite> tensors)
    {
        _tensors = tensors;
        Header = GgufHeader.Plan(keyValues, tensors.Select(tensor => (tensor.Name, tensor.Type, tensor.Shape)));
    }

    /// <summary>The header of the file to be written; its <see cref="GgufHeader.FileLength"/> is the file's.</summary>
    public GgufHeader Header { get; }

    /// <summary>Writes the file into an output, which the caller commits.</summary>
    /// <param name="output">The output.</param>
    /// <param name="relativePath">The file's place in it.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <exception cref="OutputException">It could not be written, or reads back differently.</exception>
    public void WriteTo(AtomicOutput output, string relativePath, CancellationToken cancellation = default)
    {
        OutputFile file = output.CreateFile(relativePath, Header.FileLength);
        byte[] header = Header.ToBytes();
        file.Write(0, header);
        byte[] piece = new byte[PieceLength];
        for (int i = 0; i < _tensors.Count; i++)
        {
            GgufTensor tensor = Header.Tensors[i];
            for (long start = 0; start < tensor.ByteLength;)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> now = piece.AsSpan(0, (int)Math.Min(piece.Length, tensor.ByteLength - start));
                _tensors[i].Bytes(start, now);
                file.Write(tensor.Offset + start, now);
                start += now.Length;
            }

            file.Write(tensor.End, new byte[GgufHeader.Aligned(tensor.End, Header.Alignment) - tensor.End]);
        }

        byte[] written = new byte[header.Length];
        file.Read(0, written);
        if (!written.AsSpan().SequenceEqual(header))
            throw new OutputException($"{Printable.Text(relativePath)}: the header reads back differently from what was written; check the disk", relativePath);
    }
}

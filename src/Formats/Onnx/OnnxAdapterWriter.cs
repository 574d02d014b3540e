using System.Buffers.Binary;
using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Onnx;

/// <summary>
/// Writes ONNX Runtime's .onnx_adapter: what describes the tensors first, then their bytes, each at a multiple of 8. See spec/layouts/onnx.md, "Containers".
/// </summary>
internal sealed class OnnxAdapterWriter
{
    private const int Alignment = 8;

    private readonly IReadOnlyList<TensorToWrite> _tensors;
    private readonly long[] _data;
    private readonly byte[] _head;

    /// <param name="tensors">Of types that have a number in ONNX.</param>
    /// <exception cref="UnsupportedException">Together they are larger than a flatbuffer may be.</exception>
    public OnnxAdapterWriter(IReadOnlyList<TensorToWrite> tensors)
    {
        _tensors = tensors;
        _data = new long[tensors.Count];
        FlatBufferBytes bytes = new("TORT"u8, fields: 4);
        int root = bytes.Table();
        bytes.Point(0, root);
        bytes.Set(FlatBufferBytes.Field(root, 0), OnnxAdapterFile.Version);
        bytes.Point(FlatBufferBytes.Field(root, 3), bytes.Position);
        int parameters = bytes.Offsets(tensors.Count);
        int[] tables = [.. tensors.Select((tensor, i) => Describe(bytes, tensor, parameters + (sizeof(int) * i)))];
        long most = tensors.Sum(tensor => tensor.ByteLength + sizeof(int) + Alignment) + bytes.Position;
        if (most > int.MaxValue) throw new UnsupportedException($"the tensors take some {most} bytes, and an .onnx_adapter has at most {int.MaxValue}; take .npz");
        Length = bytes.Position;
        for (int i = 0; i < tensors.Count; i++)
        {
            // A vector's length stands before it.
            _data[i] = (Length + sizeof(int) + Alignment - 1) / Alignment * Alignment;
            bytes.Point(FlatBufferBytes.Field(tables[i], 3), _data[i] - sizeof(int));
            Length = _data[i] + tensors[i].ByteLength;
        }

        _head = bytes.ToArray();
    }

    /// <summary>The file's length in bytes.</summary>
    public long Length { get; }

    /// <summary>Writes the file into an output, which the caller commits.</summary>
    public void WriteTo(AtomicOutput output, string relativePath, CancellationToken cancellation)
    {
        OutputFile file = output.CreateFile(relativePath, Length);
        file.Write(0, _head);
        byte[] buffer = TensorToWrite.Buffer(_tensors);
        Span<byte> length = stackalloc byte[sizeof(int)];
        long end = _head.Length;
        for (int i = 0; i < _tensors.Count; i++)
        {
            long at = _data[i];
            BinaryPrimitives.WriteInt32LittleEndian(length, (int)_tensors[i].ByteLength);
            file.Write(end, new byte[at - sizeof(int) - end]);
            file.Write(at - sizeof(int), length);
            _tensors[i].Copy(buffer, (start, bytes) => file.Write(at + start, bytes), cancellation);
            end = at + _tensors[i].ByteLength;
        }

        file.Confirm(0, _head);
    }

    private static int Describe(FlatBufferBytes bytes, TensorToWrite tensor, int slot)
    {
        int table = bytes.Table();
        bytes.Point(slot, table);
        bytes.Point(FlatBufferBytes.Field(table, 0), bytes.Text(tensor.Name));
        bytes.Point(FlatBufferBytes.Field(table, 1), bytes.Numbers(tensor.Shape.Sizes.AsSpan()));
        bytes.Set(FlatBufferBytes.Field(table, 2), OnnxElements.NumberOf(tensor.DType)!.Value);
        return table;
    }
}

using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Onnx;

/// <summary>Bytes of an ONNX Runtime adapter, laid out by the schema and by nothing of the library.</summary>
internal sealed class FlatBufferBytes(string identifier)
{
    private readonly List<byte> _bytes = [];

    public static byte[] Adapter(string identifier, int version, params (string Name, int Type, long[] Dims, byte[] Data)[] tensors) => new FlatBufferBytes(identifier).Of(version, tensors);

    public static byte[] Singles(params double[] values) => new TestTensor("", DType.F32, [values.Length], values).Bytes();

    private byte[] Of(int version, (string Name, int Type, long[] Dims, byte[] Data)[] tensors)
    {
        int fields = identifier == "GAIL" ? 2 : 4;
        UInt32(0);
        _bytes.AddRange(Encoding.ASCII.GetBytes(identifier));
        int table = Table(fields);
        Patch(0, table);
        Patch(Slot(table, 0), version, absolute: true);
        int vector = _bytes.Count;
        Patch(Slot(table, fields - 1), vector);
        UInt32(tensors.Length);
        int first = _bytes.Count;
        foreach (var _ in tensors) UInt32(0);
        for (int i = 0; i < tensors.Length; i++)
        {
            var (name, type, dims, data) = tensors[i];
            int parameter = Table(4);
            Patch(first + (4 * i), parameter);
            Patch(Slot(parameter, 0), _bytes.Count);
            UInt32(Encoding.UTF8.GetByteCount(name));
            _bytes.AddRange(Encoding.UTF8.GetBytes(name));
            _bytes.Add(0);
            Patch(Slot(parameter, 1), _bytes.Count);
            UInt32(dims.Length);
            foreach (long dim in dims) _bytes.AddRange(BitConverter.GetBytes(dim));
            Patch(Slot(parameter, 2), type, absolute: true);
            Patch(Slot(parameter, 3), _bytes.Count);
            UInt32(data.Length);
            _bytes.AddRange(data);
        }

        return [.. _bytes];
    }

    // Its layout before it: sizes, then a place of four bytes for each field.
    private int Table(int fields)
    {
        int layout = _bytes.Count;
        UInt16(4 + (2 * fields));
        UInt16(4 + (4 * fields));
        for (int i = 0; i < fields; i++) UInt16(4 + (4 * i));
        int table = _bytes.Count;
        UInt32(table - layout);
        for (int i = 0; i < fields; i++) UInt32(0);
        return table;
    }

    private static int Slot(int table, int field) => table + 4 + (4 * field);

    private void Patch(int at, int value, bool absolute = false)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, absolute ? value : value - at);
        for (int i = 0; i < 4; i++) _bytes[at + i] = bytes[i];
    }

    private void UInt32(int value) => _bytes.AddRange(BitConverter.GetBytes(value));

    private void UInt16(int value) => _bytes.AddRange(BitConverter.GetBytes((ushort)value));
}

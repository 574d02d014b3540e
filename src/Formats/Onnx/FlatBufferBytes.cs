using System.Buffers.Binary;
using System.Text;

namespace LoraKit.Formats.Onnx;

/// <summary>Putting a flatbuffer together from front to back: every offset points forwards, and all tables have one layout, of fields of four bytes.</summary>
internal sealed class FlatBufferBytes
{
    private const int FieldBytes = 4;

    private readonly List<byte> _bytes = [];
    private readonly int _fields;
    private readonly int _layout;

    /// <param name="identifier">Four letters.</param>
    /// <param name="fields">Fields of each table.</param>
    public FlatBufferBytes(ReadOnlySpan<byte> identifier, int fields)
    {
        _fields = fields;
        Zeros(FieldBytes);
        _bytes.AddRange(identifier);
        _layout = Position;
        Span<ushort> sizes = [(ushort)(4 + (2 * fields)), (ushort)(FieldBytes * (fields + 1)), .. Enumerable.Range(1, fields).Select(i => (ushort)(FieldBytes * i))];
        Span<byte> two = stackalloc byte[2];
        foreach (ushort size in sizes)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(two, size);
            _bytes.AddRange(two);
        }

        Align(FieldBytes, 0);
    }

    /// <summary>Where the next byte comes.</summary>
    public int Position => _bytes.Count;

    /// <summary>A table whose fields are 0, and where it is.</summary>
    public int Table()
    {
        int table = Position;
        // Back to its layout; the one offset that is signed.
        Int32(table - _layout);
        Zeros(FieldBytes * _fields);
        return table;
    }

    /// <summary>Where a table has a field.</summary>
    public static int Field(int table, int index) => table + (FieldBytes * (index + 1));

    /// <summary>Fills in a number.</summary>
    public void Set(int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes)[at..], value);

    /// <summary>Fills in the offset to a position behind.</summary>
    public void Point(int at, long target) => Set(at, checked((int)(target - at)));

    /// <summary>A vector of offsets that are to be filled in; where the first is.</summary>
    public int Offsets(int count)
    {
        Int32(count);
        int first = Position;
        Zeros(FieldBytes * count);
        return first;
    }

    /// <summary>A text; where it is.</summary>
    public int Text(string text)
    {
        int at = Position;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Int32(bytes.Length);
        _bytes.AddRange(bytes);
        _bytes.Add(0);
        Align(FieldBytes, 0);
        return at;
    }

    /// <summary>A vector of whole numbers; where it is.</summary>
    public int Numbers(ReadOnlySpan<long> values)
    {
        Align(sizeof(long), FieldBytes);
        int at = Position;
        Int32(values.Length);
        Span<byte> eight = stackalloc byte[sizeof(long)];
        foreach (long value in values)
        {
            BinaryPrimitives.WriteInt64LittleEndian(eight, value);
            _bytes.AddRange(eight);
        }

        return at;
    }

    /// <summary>All of it.</summary>
    public byte[] ToArray() => [.. _bytes];

    private void Int32(int value)
    {
        int at = Position;
        Zeros(FieldBytes);
        Set(at, value);
    }

    private void Zeros(int count)
    {
        for (int i = 0; i < count; i++) _bytes.Add(0);
    }

    /// <summary>Goes on to where a multiple of a size is so many bytes away.</summary>
    private void Align(int size, int before)
    {
        while ((Position + before) % size != 0) _bytes.Add(0);
    }
}

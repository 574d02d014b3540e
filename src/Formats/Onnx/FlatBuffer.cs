using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Onnx;

/// <summary>
/// Reading a flatbuffer piece by piece: tables, their fields, vectors and strings, every position checked against the file. Nothing is followed
/// but what is asked for, so no file makes it recurse.
/// </summary>
internal sealed class FlatBuffer(OpenFile file)
{
    private const int LongestText = 4096;

    /// <summary>The position of the root table.</summary>
    public long Root => Follow(0);

    /// <summary>Where a table has a field; null where it has not.</summary>
    public long? Field(long table, int index)
    {
        long layout = table - Int32(table);
        long at = 4 + (2L * index);
        if (at + 2 > UInt16(layout)) return null;
        int offset = UInt16(layout + at);
        return offset == 0 ? null : table + offset;
    }

    /// <summary>What the unsigned offset at a position points to.</summary>
    public long Follow(long position) => position + UInt32(position);

    /// <summary>A vector's elements: where the first is, and how many there are, all of them within the file.</summary>
    /// <param name="field">Where the offset to it stands.</param>
    /// <param name="elementBytes">Bytes per element.</param>
    public (long Start, long Count) Vector(long field, int elementBytes)
    {
        long start = Follow(field);
        long count = UInt32(start);
        if (start + 4 + (count * elementBytes) > file.Length) throw Broken(start);
        return (start + 4, count);
    }

    /// <summary>A short text.</summary>
    /// <param name="field">Where the offset to it stands.</param>
    public string Text(long field)
    {
        (long start, long length) = Vector(field, 1);
        if (length > LongestText) throw file.Invalid($"has a name of {length} bytes at byte {start}; at most {LongestText} are expected");
        byte[] bytes = new byte[length];
        file.Read(start, bytes);
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException invalid)
        {
            throw file.Invalid($"has a name at byte {start} that is no valid text", cause: invalid);
        }
    }

    public int Int32(long position) => BinaryPrimitives.ReadInt32LittleEndian(Bytes(position, stackalloc byte[4]));

    public long Int64(long position) => BinaryPrimitives.ReadInt64LittleEndian(Bytes(position, stackalloc byte[8]));

    private uint UInt32(long position) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(position, stackalloc byte[4]));

    private ushort UInt16(long position) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(position, stackalloc byte[2]));

    private ReadOnlySpan<byte> Bytes(long position, Span<byte> buffer)
    {
        if (position < 0 || position + buffer.Length > file.Length) throw Broken(position);
        file.Read(position, buffer);
        return buffer;
    }

    private InvalidFileException Broken(long position) => file.Invalid($"is no valid flatbuffer: something points to byte {position} of {file.Length}");
}

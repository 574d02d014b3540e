using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LoraKit.Formats.Gguf;

/// <summary>
/// A value of a GGUF header, in the bytes of the file: what nobody asks for costs no more than that (a vocabulary has 100,000s of strings), and
/// goes out as it came in.
/// </summary>
/// <param name="Type">Its type.</param>
/// <param name="ElementType">The elements' type; null where it is no array.</param>
/// <param name="Count">How many elements; 1 where it is no array.</param>
/// <param name="Bytes">What follows the type, and an array's element type and count; little-endian.</param>
internal sealed record GgufValue(GgufValueType Type, GgufValueType? ElementType, long Count, ReadOnlyMemory<byte> Bytes)
{
    private const int LengthBytes = sizeof(ulong);

    public static GgufValue Of(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte[] bytes = new byte[LengthBytes + length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length);
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(LengthBytes));
        return new(GgufValueType.String, null, 1, bytes);
    }

    public static GgufValue Of(uint number)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
        return new(GgufValueType.U32, null, 1, bytes);
    }

    public static GgufValue Of(float number)
    {
        byte[] bytes = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, number);
        return new(GgufValueType.F32, null, 1, bytes);
    }

    public static GgufValue Of(IReadOnlyList<uint> numbers)
    {
        byte[] bytes = new byte[numbers.Count * sizeof(uint)];
        for (int i = 0; i < numbers.Count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), numbers[i]);
        }

        return new(GgufValueType.Array, GgufValueType.U32, numbers.Count, bytes);
    }

    /// <summary>The text; null where it is none.</summary>
    public string? Text => Type == GgufValueType.String ? Encoding.UTF8.GetString(Bytes.Span[LengthBytes..]) : null;

    /// <summary>The whole number, of whatever width; null where it is none, or beyond 63 bits.</summary>
    public long? Integer => Type is GgufValueType.F32 or GgufValueType.F64 or GgufValueType.Bool ? null : IntegerAt(Type, Bytes.Span);

    /// <summary>The real number; null where it is none.</summary>
    public double? Real => Type switch
    {
        GgufValueType.F32 => BinaryPrimitives.ReadSingleLittleEndian(Bytes.Span),
        GgufValueType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(Bytes.Span),
        _ => null,
    };

    /// <summary>The whole numbers of an array; null where it is none of such.</summary>
    public IReadOnlyList<long>? Integers()
    {
        if (ElementType is not { } type || type.Bytes() == 0) return null;
        List<long> numbers = [];
        for (int i = 0; i < Count; i++)
        {
            if (IntegerAt(type, Bytes.Span[(i * type.Bytes())..]) is not { } number) return null;
            numbers.Add(number);
        }

        return numbers;
    }

    /// <summary>A single value as text, numbers as the invariant culture has them; null for an array.</summary>
    public string? Shown => Type switch
    {
        GgufValueType.Array => null,
        GgufValueType.String => Text,
        GgufValueType.Bool => Bytes.Span[0] != 0 ? "true" : "false",
        GgufValueType.F32 => BinaryPrimitives.ReadSingleLittleEndian(Bytes.Span).ToString("R", CultureInfo.InvariantCulture),
        GgufValueType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(Bytes.Span).ToString("R", CultureInfo.InvariantCulture),
        GgufValueType.U64 => BinaryPrimitives.ReadUInt64LittleEndian(Bytes.Span).ToString(CultureInfo.InvariantCulture),
        _ => Integer!.Value.ToString(CultureInfo.InvariantCulture),
    };

    private static long? IntegerAt(GgufValueType type, ReadOnlySpan<byte> bytes) => type switch
    {
        GgufValueType.U8 => bytes[0],
        GgufValueType.I8 => (sbyte)bytes[0],
        GgufValueType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        GgufValueType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        GgufValueType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        GgufValueType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        GgufValueType.U64 when bytes[LengthBytes - 1] < 0x80 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        GgufValueType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        _ => null,
    };
}

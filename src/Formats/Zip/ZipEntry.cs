using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Zip;

/// <summary>What a zip archive's directory says of one member.</summary>
internal sealed record ZipEntry(string Name, ReadOnlyMemory<byte> RawName, int Flags, int Method, long Compressed, long Length, long HeaderOffset)
{
    private const int FixedBytes = 46;
    private const int LocalBytes = 30;
    private const int Encrypted = 1 << 0 | 1 << 6 | 1 << 13;
    private const int Patch = 1 << 5;
    private const int SizesFollow = 1 << 3;
    private const int Stored = 0;
    private const int Deflated = 8;
    private const int Zip64 = 1;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public bool IsStored => Method == Stored;

    /// <summary>Reads one entry of the directory and steps behind it.</summary>
    /// <exception cref="InvalidFileException">It makes no sense.</exception>
    /// <exception cref="UnsupportedException">It is encrypted, or packed in a way that is not read.</exception>
    public static ZipEntry Read(OpenFile file, ReadOnlyMemory<byte> directory, ref int position)
    {
        ReadOnlyMemory<byte> rest = directory[position..];
        if (rest.Length < FixedBytes || !rest.Span.StartsWith("PK\x01\x02"u8)) throw file.Invalid($"has a broken zip directory at its byte {position}");
        int nameBytes = UInt16(rest, 28);
        int extraBytes = UInt16(rest, 30);
        int all = FixedBytes + nameBytes + extraBytes + UInt16(rest, 32);
        if (all > rest.Length) throw file.Invalid($"has a zip directory whose entry at byte {position} is longer than it");
        position += all;
        ReadOnlyMemory<byte> rawName = rest.Slice(FixedBytes, nameBytes);
        string name = NameOf(file, rawName.Span);
        string shown = $"member '{Printable.Text(name)}'";
        int flags = UInt16(rest, 8);
        int method = UInt16(rest, 10);
        if ((flags & Encrypted) != 0) throw file.Unsupported($"{shown} is encrypted; decrypt the archive first");
        if ((flags & Patch) != 0 || method is not (Stored or Deflated))
            throw file.Unsupported($"{shown} is packed by method {method}; only stored and deflated members are read; pack it anew");
        long length = UInt32(rest, 24);
        long compressed = UInt32(rest, 20);
        long offset = UInt32(rest, 42);
        if (!Widen(rest.Span.Slice(FixedBytes + nameBytes, extraBytes), ref length, ref compressed, ref offset) || UInt16(rest, 34) != 0)
            throw file.Invalid($"{shown} has sizes that contradict each other");
        if (method == Stored && length != compressed) throw file.Invalid($"{shown} is stored as it is and has two lengths, {compressed} and {length}");
        return new(name, rawName, flags, method, compressed, length, offset);
    }

    /// <summary>Where the member's bytes begin, told by the header before them, which must say the same as the directory.</summary>
    /// <param name="file">The archive.</param>
    /// <param name="directoryStart">Where the directory begins: members end before it.</param>
    /// <exception cref="InvalidFileException">It does not, or the bytes are not all there.</exception>
    public long DataOffset(OpenFile file, long directoryStart)
    {
        string shown = $"member '{Printable.Text(Name)}'";
        if (HeaderOffset > directoryStart - LocalBytes - RawName.Length) throw file.Invalid($"{shown} begins at byte {HeaderOffset}, behind the archive's members");
        byte[] header = new byte[LocalBytes + RawName.Length];
        file.Read(HeaderOffset, header);
        if (!header.AsSpan().StartsWith("PK\x03\x04"u8) || UInt16(header, 26) != RawName.Length || !header.AsSpan(LocalBytes).SequenceEqual(RawName.Span)
            || UInt16(header, 8) != Method || (UInt16(header, 6) & Encrypted) != 0)
        {
            throw file.Invalid($"{shown} has another header than the archive's directory says");
        }

        int extraBytes = UInt16(header, 28);
        long data = HeaderOffset + header.Length + extraBytes;
        if (data > directoryStart || Compressed > directoryStart - data) throw file.Invalid($"{shown} of {Compressed} bytes does not fit before the archive's directory");
        if ((Flags & SizesFollow) != 0) return data;
        long length = UInt32(header, 22);
        long compressed = UInt32(header, 18);
        long none = 0;
        byte[] extra = new byte[extraBytes];
        file.Read(data - extraBytes, extra);
        return Widen(extra, ref length, ref compressed, ref none) && length == Length && compressed == Compressed
            ? data
            : throw file.Invalid($"{shown} has other sizes in its header than in the archive's directory");
    }

    // Sizes of 2³² − 1 stand for 64-bit ones in an extra field, in this order.
    private static bool Widen(ReadOnlySpan<byte> extra, ref long length, ref long compressed, ref long offset)
    {
        ReadOnlySpan<byte> wide = default;
        while (extra.Length >= 4)
        {
            int bytes = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (bytes > extra.Length - 4) return false;
            if (BinaryPrimitives.ReadUInt16LittleEndian(extra) == Zip64) wide = extra.Slice(4, bytes);
            extra = extra[(4 + bytes)..];
        }

        return Next(ref wide, ref length) && Next(ref wide, ref compressed) && Next(ref wide, ref offset);

        static bool Next(ref ReadOnlySpan<byte> wide, ref long value)
        {
            if (value != uint.MaxValue) return true;
            if (wide.Length < sizeof(long)) return false;
            value = BinaryPrimitives.ReadInt64LittleEndian(wide);
            wide = wide[sizeof(long)..];
            return value >= 0;
        }
    }

    private static string NameOf(OpenFile file, ReadOnlySpan<byte> raw)
    {
        try
        {
            return StrictUtf8.GetString(raw);
        }
        catch (DecoderFallbackException e)
        {
            throw file.Invalid($"has a member whose name is no UTF-8: '{Printable.Text(Encoding.Latin1.GetString(raw))}'", cause: e);
        }
    }

    private static int UInt16(ReadOnlyMemory<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.Span[at..]);

    private static long UInt32(ReadOnlyMemory<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[at..]);
}

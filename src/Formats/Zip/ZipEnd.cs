using System.Buffers.Binary;
using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Zip;

/// <summary>What stands at the end of a zip archive: how many members its directory lists, and where that is.</summary>
/// <param name="Count">How many members.</param>
/// <param name="Offset">Where the directory begins.</param>
/// <param name="Length">Its bytes.</param>
internal readonly record struct ZipEnd(long Count, long Offset, long Length)
{
    private const int EndBytes = 22;
    private const int LocatorBytes = 20;
    private const int End64Bytes = 56;
    private const int MostCommentBytes = ushort.MaxValue;

    /// <exception cref="InvalidFileException">There is no such end, or it contradicts itself.</exception>
    public static ZipEnd Read(OpenFile file)
    {
        byte[] tail = new byte[Math.Min(file.Length, EndBytes + MostCommentBytes)];
        long tailStart = file.Length - tail.Length;
        file.Read(tailStart, tail);
        int at = Find(tail);
        if (at < 0) throw file.Invalid("begins like a zip archive and has no directory at its end: it is cut short; fetch it again");
        ReadOnlySpan<byte> end = tail.AsSpan(at);
        ZipEnd found = new(UInt16(end, 10), UInt32(end, 16), UInt32(end, 12));
        long position = tailStart + at;
        if (UInt16(end, 4) != 0 || UInt16(end, 6) != 0 || UInt16(end, 8) != UInt16(end, 10)) throw file.Invalid("is one part of a zip archive of several; join them");
        if (Read64(file, position) is var (large, start))
        {
            if (!Agree(found.Count, large.Count, ushort.MaxValue) || !Agree(found.Offset, large.Offset, uint.MaxValue) || !Agree(found.Length, large.Length, uint.MaxValue))
                throw file.Invalid("is a zip archive whose two directory records contradict each other");
            (found, position) = (large, start);
        }

        // Nothing between the directory and its record, and nothing before the archive: all offsets count from the file's start.
        if (found.Offset < 0 || found.Length < 0 || found.Count < 0 || found.Offset > position || position - found.Offset != found.Length)
            throw file.Invalid($"is a zip archive whose directory ({found.Length} bytes at {found.Offset}) does not end at its record (at {position})");
        return found;
    }

    // The record is the last one whose comment reaches exactly to the file's end.
    private static int Find(ReadOnlySpan<byte> tail)
    {
        for (int at = tail.Length - EndBytes; at >= 0; at--)
        {
            if (tail[at..].StartsWith("PK\x05\x06"u8) && at + EndBytes + UInt16(tail[at..], 20) == tail.Length) return at;
        }

        return -1;
    }

    private static (ZipEnd End, long Start)? Read64(OpenFile file, long endPosition)
    {
        if (endPosition < LocatorBytes + End64Bytes) return null;
        Span<byte> locator = stackalloc byte[LocatorBytes];
        file.Read(endPosition - LocatorBytes, locator);
        if (!locator.StartsWith("PK\x06\x07"u8)) return null;
        long start = BinaryPrimitives.ReadInt64LittleEndian(locator[8..]);
        if (start < 0 || start > endPosition - LocatorBytes - End64Bytes) throw file.Invalid("is a zip archive whose 64-bit directory record lies outside it");
        Span<byte> end = stackalloc byte[End64Bytes];
        file.Read(start, end);
        if (!end.StartsWith("PK\x06\x06"u8)) throw file.Invalid("is a zip archive without the 64-bit directory record it points to");
        long count = BinaryPrimitives.ReadInt64LittleEndian(end[32..]);
        if (UInt32(end, 16) != 0 || UInt32(end, 20) != 0 || BinaryPrimitives.ReadInt64LittleEndian(end[24..]) != count)
            throw file.Invalid("is one part of a zip archive of several; join them");
        return (new(count, BinaryPrimitives.ReadInt64LittleEndian(end[48..]), BinaryPrimitives.ReadInt64LittleEndian(end[40..])), start);
    }

    private static bool Agree(long small, long large, long unknown) => small == unknown || small == large;

    private static int UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static long UInt32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}

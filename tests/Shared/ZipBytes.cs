using System.Collections;
using System.IO.Compression;
using System.Text;

namespace LoraKit.Tests;

/// <summary>One member of an archive written by hand; what a field lies about can be set by itself.</summary>
internal sealed record ZipPart(string Name, byte[] Bytes)
{
    public bool Deflate { get; init; }

    /// <summary>In both headers; null for what <see cref="Deflate"/> means.</summary>
    public ushort? Method { get; init; }

    public ushort Flags { get; init; }

    /// <summary>In both headers.</summary>
    public uint? DeclaredLength { get; init; }

    /// <summary>In the directory alone.</summary>
    public uint? DirectoryOffset { get; init; }

    /// <summary>In the header before the bytes alone.</summary>
    public string? LocalName { get; init; }

    /// <summary>In the header before the bytes alone.</summary>
    public uint? LocalLength { get; init; }

    /// <summary>Sizes and offset in a 64-bit extra field of the directory.</summary>
    public bool Wide { get; init; }
}

/// <summary>A zip archive written by hand (APPNOTE.TXT 4.3).</summary>
internal sealed class ZipBytes : IEnumerable<ZipPart>
{
    private readonly List<ZipPart> _parts = [];

    public string Comment { get; init; } = "";

    public byte[] Before { get; init; } = [];

    public int ExtraCount { get; init; }

    public ushort Disk { get; init; }

    /// <summary>Writes the 64-bit directory record; what it adds to the directory's offset.</summary>
    public long? Zip64 { get; init; }

    public void Add(ZipPart part) => _parts.Add(part);

    public void Add(IEnumerable<ZipPart> parts) => _parts.AddRange(parts);

    public byte[] ToArray()
    {
        MemoryStream stream = new();
        BinaryWriter file = new(stream);
        file.Write(Before);
        MemoryStream directory = new();
        foreach (ZipPart part in _parts)
        {
            directory.Write(Write(file, part));
        }

        long start = stream.Position;
        file.Write(directory.ToArray());
        int count = _parts.Count + ExtraCount;
        if (Zip64 is { } lie)
        {
            long record = stream.Position;
            file.Write("PK\x06\x06"u8);
            file.Write(44L);
            file.Write((ushort)45);
            file.Write((ushort)45);
            file.Write(0);
            file.Write(0);
            file.Write((long)count);
            file.Write((long)count);
            file.Write(directory.Length);
            file.Write(start + lie);
            file.Write("PK\x06\x07"u8);
            file.Write(0);
            file.Write(record);
            file.Write(1);
        }

        file.Write("PK\x05\x06"u8);
        file.Write(Disk);
        file.Write((ushort)0);
        file.Write((ushort)count);
        file.Write((ushort)count);
        file.Write((uint)directory.Length);
        file.Write((uint)start);
        file.Write((ushort)Comment.Length);
        file.Write(Encoding.ASCII.GetBytes(Comment));
        return stream.ToArray();
    }

    public IEnumerator<ZipPart> GetEnumerator() => _parts.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // The header and bytes to the file; returns the directory's entry.
    private static byte[] Write(BinaryWriter file, ZipPart part)
    {
        byte[] packed = part.Deflate ? Deflated(part.Bytes) : part.Bytes;
        ushort method = part.Method ?? (ushort)(part.Deflate ? 8 : 0);
        uint length = part.DeclaredLength ?? (uint)part.Bytes.Length;
        uint offset = (uint)file.BaseStream.Position;
        bool follows = (part.Flags & 8) != 0;
        byte[] localName = Encoding.UTF8.GetBytes(part.LocalName ?? part.Name);
        file.Write("PK\x03\x04"u8);
        Common(file, part, method, follows ? 0 : (uint)packed.Length, follows ? 0 : part.LocalLength ?? length, localName.Length);
        file.Write((ushort)0);
        file.Write(localName);
        file.Write(packed);

        MemoryStream stream = new();
        BinaryWriter entry = new(stream);
        byte[] name = Encoding.UTF8.GetBytes(part.Name);
        entry.Write("PK\x01\x02"u8);
        entry.Write((ushort)20);
        Common(entry, part, method, part.Wide ? uint.MaxValue : (uint)packed.Length, part.Wide ? uint.MaxValue : length, name.Length);
        entry.Write((ushort)(part.Wide ? 28 : 0));
        entry.Write((ushort)0);
        entry.Write((ushort)0);
        entry.Write((ushort)0);
        entry.Write(0);
        entry.Write(part.Wide ? uint.MaxValue : part.DirectoryOffset ?? offset);
        entry.Write(name);
        if (part.Wide)
        {
            entry.Write((ushort)1);
            entry.Write((ushort)24);
            entry.Write((long)length);
            entry.Write((long)packed.Length);
            entry.Write((long)(part.DirectoryOffset ?? offset));
        }

        return stream.ToArray();
    }

    private static void Common(BinaryWriter to, ZipPart part, ushort method, uint packed, uint length, int nameLength)
    {
        to.Write((ushort)20);
        to.Write(part.Flags);
        to.Write(method);
        to.Write(0);
        to.Write(0);
        to.Write(packed);
        to.Write(length);
        to.Write((ushort)nameLength);
    }

    private static byte[] Deflated(byte[] bytes)
    {
        MemoryStream packed = new();
        using (DeflateStream deflate = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(bytes);
        }

        return packed.ToArray();
    }
}

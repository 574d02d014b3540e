using System.Buffers.Binary;
using LoraKit.Formats;

namespace LoraKit.Torch.Elf;

/// <summary>The bytes of a 64-bit little-endian ELF file, read with every offset checked.</summary>
internal readonly ref struct ElfImage
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string _file;
    private readonly ulong _programHeaders;
    private readonly int _programHeaderCount;

    /// <exception cref="InvalidFileException">Not such a file.</exception>
    public ElfImage(ReadOnlySpan<byte> bytes, string file)
    {
        _bytes = bytes;
        _file = file;
        if (bytes.Length < HeaderSize || !bytes.StartsWith("\x7F"u8) || !bytes[1..].StartsWith("ELF"u8)) throw Invalid("it has no ELF header");
        if (bytes[4] != 2 || bytes[5] != 1) throw Invalid("it is not a 64-bit little-endian ELF file");
        _programHeaders = UInt64(32);
        if (UInt16(54) != ProgramHeaderSize) throw Invalid($"its program headers have {UInt16(54)} bytes each, not {ProgramHeaderSize}");
        _programHeaderCount = UInt16(56);
    }

    /// <summary>The first segment of a type: where it is in the file and how long.</summary>
    public (ulong Offset, ulong Length) Segment(uint type)
    {
        for (int i = 0; i < _programHeaderCount; i++)
        {
            ulong header = Header(i);
            if (UInt32(header) == type) return (UInt64(header + 8), UInt64(header + 32));
        }

        throw Invalid($"it has no segment of type {type}");
    }

    /// <summary>Where in the file the byte is that is loaded at an address.</summary>
    public ulong OffsetOf(ulong address)
    {
        const uint Load = 1;
        for (int i = 0; i < _programHeaderCount; i++)
        {
            ulong header = Header(i);
            ulong start = UInt64(header + 16);
            if (UInt32(header) == Load && address >= start && address - start < UInt64(header + 32)) return Add(UInt64(header + 8), address - start);
        }

        throw Invalid($"no segment holds the address 0x{address:x}");
    }

    public ushort UInt16(ulong offset) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(offset, 2));

    public uint UInt32(ulong offset) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(offset, 4));

    public ulong UInt64(ulong offset) => BinaryPrimitives.ReadUInt64LittleEndian(Slice(offset, 8));

    /// <summary>Bytes up to a NUL that must come before <paramref name="end"/>.</summary>
    public ReadOnlySpan<byte> String(ulong offset, ulong end)
    {
        ReadOnlySpan<byte> rest = offset < end ? Slice(offset, end - offset) : throw Invalid("a name lies outside of its string table");
        int length = rest.IndexOf((byte)0);
        return length >= 0 ? rest[..length] : throw Invalid("a name has no end");
    }

    public ulong Add(ulong offset, ulong distance) =>
        distance <= ulong.MaxValue - offset ? offset + distance : throw Invalid("an offset overflows");

    public InvalidFileException Invalid(string what) => new($"'{_file}' is not a library that can be loaded: {what}", _file);

    private ulong Header(int index) => Add(_programHeaders, (ulong)index * ProgramHeaderSize);

    private ReadOnlySpan<byte> Slice(ulong offset, ulong length)
    {
        if (offset > (ulong)_bytes.Length || length > (ulong)_bytes.Length - offset) throw Invalid("it ends too early");
        return _bytes.Slice((int)offset, (int)length);
    }
}

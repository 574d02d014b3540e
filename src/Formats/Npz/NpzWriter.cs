using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Zip;

namespace LoraKit.Formats.Npz;

/// <summary>Writes NumPy's archive of arrays as numpy.savez does: members NAME.npy, stored. The same tensors make the same bytes. See spec/containers/npz.md.</summary>
internal sealed class NpzWriter
{
    private const int LocalBytes = 30;
    private const int DirectoryBytes = 46;
    private const int EndBytes = 22;
    private const int Version = 20;
    private const int Utf8Names = 1 << 11;
    private const int FirstOfJanuary1980 = (1 << 5) | 1;

    private readonly Member[] _members;
    private readonly long _directory;

    /// <param name="tensors">Of types that NumPy has.</param>
    /// <exception cref="UnsupportedException">They are more, or larger, than the archive can say.</exception>
    public NpzWriter(IReadOnlyList<TensorToWrite> tensors)
    {
        _members = new Member[tensors.Count];
        for (int i = 0; i < _members.Length; i++)
        {
            _members[i] = new(tensors[i], Encoding.UTF8.GetBytes(tensors[i].Name + NpzFile.Ending), NpyHeader.Bytes(tensors[i].DType, tensors[i].Shape), _directory);
            _directory = _members[i].End;
        }

        Length = _directory + _members.Sum(member => (long)DirectoryBytes + member.Name.Length) + EndBytes;
        if (Length > uint.MaxValue || _members.Length > ushort.MaxValue)
        {
            throw new UnsupportedException($"{_members.Length} tensors of {Length} bytes are more than an .npz archive without 64-bit sizes has; expected at most {ushort.MaxValue} of {uint.MaxValue}");
        }
    }

    /// <summary>The file's length in bytes.</summary>
    public long Length { get; }

    /// <summary>Writes the file into an output, which the caller commits.</summary>
    public void WriteTo(AtomicOutput output, string relativePath, CancellationToken cancellation)
    {
        OutputFile file = output.CreateFile(relativePath, Length);
        byte[] buffer = TensorToWrite.Buffer(_members.Select(member => member.Tensor));
        using MemoryStream directory = new();
        foreach (Member member in _members)
        {
            file.Write(member.Header, member.Npy);
            uint crc = Crc32.Append(0, member.Npy);
            member.Tensor.Copy(
                buffer,
                (start, bytes) =>
                {
                    crc = Crc32.Append(crc, bytes);
                    file.Write(member.Header + member.Npy.Length + start, bytes);
                },
                cancellation);
            byte[] entry = member.Entry(crc);
            file.Write(member.Start, member.Local(entry));
            directory.Write(entry);
            directory.Write(member.Name);
        }

        Span<byte> end = stackalloc byte[EndBytes];
        "PK\x05\x06"u8.CopyTo(end);
        BinaryPrimitives.WriteUInt16LittleEndian(end[8..], (ushort)_members.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(end[10..], (ushort)_members.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(end[12..], (uint)directory.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(end[16..], (uint)_directory);
        directory.Write(end);
        byte[] last = directory.ToArray();
        file.Write(_directory, last);
        file.Confirm(_directory, last);
    }

    /// <summary>One array.</summary>
    private sealed record Member(TensorToWrite Tensor, byte[] Name, byte[] Npy, long Start)
    {
        /// <summary>Where the array's own header begins.</summary>
        public long Header => Start + LocalBytes + Name.Length;

        public long End => Header + Npy.Length + Tensor.ByteLength;

        /// <summary>What the directory says of it, its name not yet.</summary>
        public byte[] Entry(uint crc)
        {
            byte[] entry = new byte[DirectoryBytes];
            "PK\x01\x02"u8.CopyTo(entry);
            foreach ((int at, int value) in (ReadOnlySpan<(int, int)>)[(4, Version), (6, Version), (8, Ascii.IsValid(Name) ? 0 : Utf8Names), (14, FirstOfJanuary1980), (28, Name.Length)])
            {
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(at), (ushort)value);
            }

            foreach ((int at, long value) in (ReadOnlySpan<(int, long)>)[(16, crc), (20, End - Header), (24, End - Header), (42, Start)])
            {
                BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(at), (uint)value);
            }

            return entry;
        }

        /// <summary>The same before its bytes, with its name: the fields from the version needed to the name's length.</summary>
        public byte[] Local(byte[] entry) => [.. "PK\x03\x04"u8, .. entry.AsSpan(6, 24), 0, 0, .. Name];
    }
}

using System.Buffers.Binary;
using System.Text;

namespace LoraKit.Formats.Tests.Safetensors;

/// <summary>A whole file, and what each mode says of it.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="File">The bytes.</param>
/// <param name="Reference">A part of the refusal in reference mode; null where it is accepted.</param>
/// <param name="Strict">A part of the refusal in strict mode; null where it is accepted.</param>
internal sealed record HeaderCase(string Name, byte[] File, string? Reference, string? Strict)
{
    /// <summary>Length, header, and that many zero bytes of data.</summary>
    public static byte[] FileOf(ReadOnlySpan<byte> header, long dataLength = 0)
    {
        byte[] file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        return file;
    }

    public static byte[] FileOf(string header, long dataLength = 0) => FileOf(Encoding.UTF8.GetBytes(header), dataLength);
}

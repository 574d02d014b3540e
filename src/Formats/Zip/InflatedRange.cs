using System.IO.Compression;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Zip;

/// <summary>A deflated member's content. It is inflated when it is read, to as many bytes as the archive declares and not one more.</summary>
internal sealed class InflatedRange(OpenFile file, string name, FileRange deflated, int length, RecentBytes recent) : IByteRange
{
    // Headers at the start of a member are read before anyone wants the rest.
    private const int StartBytes = 1 << 12;

    public long Length => length;

    public long Offset => deflated.Offset;

    public void Read(long from, Span<byte> destination)
    {
        byte[] bytes = from + destination.Length is <= StartBytes and var end && end < length
            ? Inflate((int)end)
            : recent.Get(this, length, () => Inflate(length));
        bytes.AsSpan((int)from, destination.Length).CopyTo(destination);
    }

    private byte[] Inflate(int count)
    {
        byte[] bytes = new byte[count];
        try
        {
            using DeflateStream inflate = new(new RangeStream(deflated), CompressionMode.Decompress);
            int read = inflate.ReadAtLeast(bytes, count, throwOnEndOfStream: false);
            if (read < count) throw file.Invalid($"{Where} declares {length} bytes and inflates to {read}; fetch the file again");
            if (count == length && inflate.ReadByte() >= 0) throw file.Invalid($"{Where} inflates to more than the {length} bytes it declares");
        }
        catch (InvalidDataException e)
        {
            throw file.Invalid($"{Where} is damaged: its deflated data makes no sense; fetch the file again", cause: e);
        }

        return bytes;
    }

    private string Where => $"member '{Printable.Text(name)}'";
}

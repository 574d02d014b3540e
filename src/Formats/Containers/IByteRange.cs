namespace LoraKit.Formats.Containers;

/// <summary>A stretch of bytes that can be read at any position, from any thread.</summary>
internal interface IByteRange
{
    /// <summary>How many bytes there are.</summary>
    long Length { get; }

    /// <summary>Where the bytes, or what they are made from, begin in the file.</summary>
    long Offset { get; }

    /// <summary>Fills the destination; the caller stays within <see cref="Length"/>.</summary>
    /// <exception cref="InvalidFileException">The file does not hold them.</exception>
    void Read(long from, Span<byte> destination);
}

/// <summary>Bytes that lie in the file as they are.</summary>
internal sealed class FileRange(OpenFile file, long offset, long length) : IByteRange
{
    public long Length => length;

    public long Offset => offset;

    public void Read(long from, Span<byte> destination) => file.Read(offset + from, destination);
}

using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>Reads an open file forwards from its start, by positions: the handle's own position is neither used nor moved.</summary>
internal sealed class HandleStream(SafeFileHandle handle) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => RandomAccess.GetLength(handle);

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        int read = RandomAccess.Read(handle, buffer, _position);
        _position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}

/// <summary>Reads that do not stop short.</summary>
internal static class HandleReads
{
    /// <summary>Fills the destination from a position on; returns less than its length only where the file ends.</summary>
    public static int ReadFully(this SafeFileHandle handle, long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int read = RandomAccess.Read(handle, destination[done..], offset + done);
            if (read == 0) break;
            done += read;
        }

        return done;
    }
}

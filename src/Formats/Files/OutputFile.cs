using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>One file of an <see cref="AtomicOutput"/>. Writes are positional and safe from several threads at once.</summary>
public sealed class OutputFile
{
    private const long CopyStep = 32 << 20; // Between two looks at the cancellation.
    private const int BufferLength = 1 << 20;
    private const int WriteBackLength = 1 << 20; // What will be flushed goes to the disk while more is computed; small writes wait.

    // What .NET throws where the space cannot be claimed, and only there: it drops the system's error number.
    private const int NoErrorNumber = unchecked((int)0x80131620);

    private readonly string _finalPath;
    private readonly bool _flush;
    private SafeFileHandle? _handle;
    private long _written;

    internal OutputFile(string finalPath, string relativePath, long length, bool flush)
    {
        _finalPath = finalPath;
        RelativePath = relativePath;
        Length = length;
        _flush = flush;
    }

    /// <summary>Its place inside the output.</summary>
    public string RelativePath { get; }

    /// <summary>Its length in bytes.</summary>
    public long Length { get; }

    private SafeFileHandle Handle => _handle ?? throw new ObjectDisposedException(RelativePath);

    /// <summary>Writes at a position.</summary>
    /// <param name="offset">Where, counted from the start of the file.</param>
    /// <param name="bytes">What; may not pass the file's end.</param>
    /// <exception cref="OutputException">The disk is full or the write failed.</exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        CheckRange(offset, bytes.Length);
        try
        {
            RandomAccess.Write(Handle, bytes, offset);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(_finalPath, "cannot be written", e);
        }

        Written(offset, bytes.Length);
    }

    /// <summary>Copies a range of an open file, inside the kernel where it can (copy_file_range), else through a buffer.</summary>
    /// <param name="source">The open file.</param>
    /// <param name="sourcePath">Its path, for messages.</param>
    /// <param name="sourceOffset">Where to begin in it.</param>
    /// <param name="offset">Where to, counted from the start of this file.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="cancellation">Looked at every 32 MiB.</param>
    /// <exception cref="OutputException">The disk is full or the write failed.</exception>
    /// <exception cref="InvalidFileException">The source ended early or cannot be read.</exception>
    public void CopyFrom(SafeFileHandle source, string sourcePath, long sourceOffset, long offset, long length, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sourceOffset);
        CheckRange(offset, length);
        long done = 0;
        while (done < length)
        {
            cancellation.ThrowIfCancellationRequested();
            long step = Math.Min(CopyStep, length - done);
            long copied = NativeFiles.CopyRange(source, sourceOffset + done, Handle, offset + done, step);
            if (copied > 0) Written(offset + done, copied);
            else copied = CopyThroughBuffer(source, sourcePath, sourceOffset + done, offset + done, step); // It also finds out what is wrong.
            done += copied;
        }
    }

    /// <summary>Reads back what was written, for checks before the commit.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="destination">Where to; the range may not pass the file's end.</param>
    /// <exception cref="OutputException">The disk failed.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        try
        {
            while (destination.Length > 0)
            {
                int read = RandomAccess.Read(Handle, destination, offset);
                if (read == 0) throw new EndOfStreamException("the file is shorter than it was made");
                destination = destination[read..];
                offset += read;
            }
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(_finalPath, "cannot be read back", e);
        }
    }

    /// <summary>Reads what was written at a position.</summary>
    /// <exception cref="OutputException">It is something else.</exception>
    internal void Confirm(long offset, ReadOnlySpan<byte> written)
    {
        byte[] read = new byte[written.Length];
        Read(offset, read);
        if (!written.SequenceEqual(read)) throw new OutputException($"{Printable.Text(RelativePath)}: the header reads back differently from what was written; check the disk", RelativePath);
    }

    /// <summary>Makes the file, with its whole length.</summary>
    internal void Open(string path)
    {
        try
        {
            _handle = File.OpenHandle(
                path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, preallocationSize: Length);
            RandomAccess.SetLength(_handle, Length);
        }
        catch (IOException e) when (e.HResult == NoErrorNumber)
        {
            throw new OutputException(
                $"{Printable.Text(_finalPath)}: no room for its {Length} bytes: the disk is full, or the file is too large for it; "
                + "free some space or choose another place", _finalPath, e);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(_finalPath, $"cannot be made ({Length} bytes)", e);
        }
    }

    /// <summary>Flushes and closes.</summary>
    internal void Finish()
    {
        if (_handle is null) return;
        if (Interlocked.Read(ref _written) < Length)
        {
            throw new InvalidOperationException($"{RelativePath}: {_written} of {Length} bytes were written");
        }

        try
        {
            if (_flush) NativeFiles.FlushFile(_handle);
            Close();
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(_finalPath, "cannot be flushed to the disk", e);
        }
    }

    internal void Close()
    {
        _handle?.Dispose();
        _handle = null;
    }

    private long CopyThroughBuffer(SafeFileHandle source, string sourcePath, long sourceOffset, long offset, long length)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            long done = 0;
            while (done < length)
            {
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(BufferLength, length - done));
                int read = ReadSource(source, sourcePath, sourceOffset + done, part);
                Write(offset + done, part[..read]);
                done += read;
            }

            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int ReadSource(SafeFileHandle source, string sourcePath, long offset, Span<byte> destination)
    {
        string shown = Printable.Text(sourcePath);
        try
        {
            int read = RandomAccess.Read(source, destination, offset);
            return read > 0
                ? read
                : throw new InvalidFileException($"{shown}: ends at byte {offset}, while more was expected: it has become shorter; restore it", sourcePath);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw InputErrors.Unreadable(sourcePath, e);
        }
    }

    private void Written(long offset, long length)
    {
        Interlocked.Add(ref _written, length);
        if (_flush && length >= WriteBackLength) NativeFiles.StartWriteBack(Handle, offset, length);
    }

    private void CheckRange(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
    }
}

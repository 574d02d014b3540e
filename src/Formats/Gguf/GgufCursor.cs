using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Gguf;

/// <summary>Reads a header forwards, through a window of the file; every length is compared with what is left before anything of its size is allocated.</summary>
internal sealed class GgufCursor(OpenFile file)
{
    private const int WindowBytes = 1 << 16;
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private readonly byte[] _window = new byte[WindowBytes];
    private long _windowStart;
    private int _windowLength;

    public long Position { get; private set; }

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    /// <summary>A number of things of some least size, all of which must fit in what is left.</summary>
    public long Count(int leastBytes, string what)
    {
        ulong count = UInt64(what);
        long left = file.Length - Position;
        return count <= (ulong)(left / leastBytes)
            ? (long)count
            : throw file.Invalid($"{what} at byte {Position - sizeof(ulong)} is {count}, but only {left} bytes follow in the file: it is truncated or damaged; fetch it again");
    }

    /// <summary>A text of bounded length.</summary>
    public string Text(int mostBytes, string what)
    {
        long start = Position;
        long length = Count(1, $"the length of {what}");
        if (length > mostBytes) throw file.Invalid($"{what} at byte {start} has {length} bytes; at most {mostBytes} are expected");
        try
        {
            return Utf8.GetString(Take((int)length, what));
        }
        catch (DecoderFallbackException invalid)
        {
            throw file.Invalid($"{what} at byte {start} is no valid UTF-8", cause: invalid);
        }
    }

    /// <summary>Passes over bytes that are there.</summary>
    public void Skip(long bytes, string what)
    {
        if (bytes > file.Length - Position) throw Ends(what);
        Position += bytes;
    }

    /// <summary>The bytes from a position to this one.</summary>
    public byte[] Since(long start)
    {
        byte[] bytes = new byte[Position - start];
        file.Read(start, bytes);
        return bytes;
    }

    /// <summary>The next bytes, at most a window of them; valid until the next call.</summary>
    private ReadOnlySpan<byte> Take(int bytes, string what)
    {
        if (bytes > file.Length - Position) throw Ends(what);
        if (Position < _windowStart || Position + bytes > _windowStart + _windowLength)
        {
            _windowStart = Position;
            _windowLength = (int)Math.Min(WindowBytes, file.Length - Position);
            file.Read(_windowStart, _window.AsSpan(0, _windowLength));
        }

        ReadOnlySpan<byte> taken = _window.AsSpan((int)(Position - _windowStart), bytes);
        Position += bytes;
        return taken;
    }

    private InvalidFileException Ends(string what) => file.Invalid($"ends within {what} at byte {file.Length}: it is truncated; fetch it again");
}

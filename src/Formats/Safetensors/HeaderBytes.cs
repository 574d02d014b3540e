using System.Text;
using System.Text.Unicode;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// The header's bytes, taken from a forward stream piece by piece. Holds what the JSON reader has not consumed yet and no more,
/// and lets no invalid UTF-8 through.
/// </summary>
internal sealed class HeaderBytes
{
    private const int PieceLength = 1 << 16;

    private readonly Stream _stream;
    private readonly long _length;
    private byte[] _buffer;
    private int _start;
    private int _end;
    private int _checked;
    private long _remaining;

    /// <summary>The next bytes of a stream.</summary>
    /// <param name="stream">Where they come from; left right after them.</param>
    /// <param name="length">How many they are.</param>
    public HeaderBytes(Stream stream, long length)
    {
        _stream = stream;
        _length = length;
        _remaining = length;
        _buffer = new byte[Math.Min(length, PieceLength)];
    }

    /// <summary>The bytes at hand.</summary>
    public ReadOnlySpan<byte> Available => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Where <see cref="Available"/> begins, counted from the header's first byte.</summary>
    public long Position => _length - _remaining - (_end - _start);

    /// <summary>Whether the last byte is at hand.</summary>
    public bool IsLast => _remaining == 0;

    /// <summary>Drops consumed bytes and takes more from the stream; grows only while a single token does not fit.</summary>
    /// <param name="consumed">How many of <see cref="Available"/> are done with.</param>
    /// <exception cref="InvalidFileException">The stream ended early, or the bytes are no UTF-8.</exception>
    public void Advance(int consumed)
    {
        _start += consumed;
        MakeRoom();
        int wanted = (int)Math.Min(_buffer.Length - _end, _remaining);
        int got = _stream.ReadAtLeast(_buffer.AsSpan(_end, wanted), wanted, throwOnEndOfStream: false);
        if (got < wanted)
        {
            throw new InvalidFileException($"the header is truncated: {_length} bytes were announced, {_length - _remaining + got} are there");
        }

        _end += got;
        _remaining -= got;
        CheckUtf8();
    }

    private void MakeRoom()
    {
        int kept = _end - _start;
        byte[] target = kept == _buffer.Length ? new byte[Math.Min(_length, 2L * kept)] : _buffer;
        Available.CopyTo(target);
        _checked -= _start;
        (_buffer, _start, _end) = (target, 0, kept);
    }

    private void CheckUtf8()
    {
        int tail = _end - IncompleteTail(_buffer.AsSpan(_checked, _end - _checked));
        if (IsLast) tail = _end;
        if (!Utf8.IsValid(_buffer.AsSpan(_checked, tail - _checked))) throw new InvalidFileException("the header is not valid UTF-8");
        _checked = tail;
    }

    // The bytes at the end that begin a character whose rest has not come yet.
    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length <= Math.Min(3, bytes.Length); length++)
        {
            if ((bytes[^length] & 0b1100_0000) == 0b1000_0000) continue;
            return Rune.DecodeFromUtf8(bytes[^length..], out _, out _) == System.Buffers.OperationStatus.NeedMoreData ? length : 0;
        }

        return 0;
    }
}

using System.Buffers.Binary;
using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Pickle;

/// <summary>A pickle's bytes, read forwards through a small window: what follows it in the file is not touched.</summary>
/// <param name="file">For messages.</param>
/// <param name="bytes">Where the pickle is.</param>
/// <param name="start">Where in that it begins.</param>
internal sealed class PickleInput(OpenFile file, IByteRange bytes, long start = 0)
{
    /// <summary>The most bytes of pickle: names and structure of a hundred thousand tensors take a quarter.</summary>
    public const int MostBytes = 64 << 20;

    private readonly byte[] _window = new byte[1 << 14];
    private readonly long _end = Math.Min(bytes.Length, start + MostBytes);
    private long _windowStart = start;
    private int _windowLength;
    private int _next;

    /// <summary>Where the next byte lies in the range.</summary>
    public long Position => _windowStart + _next;

    public byte Byte()
    {
        Require(1);
        return _window[_next++];
    }

    public int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(sizeof(ushort)));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(sizeof(int)));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(sizeof(uint)));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(sizeof(ulong)));

    public double BigEndianDouble() => BinaryPrimitives.ReadDoubleBigEndian(Bytes(sizeof(double)));

    /// <summary>The next bytes, of a number that the pickle itself gives: nothing is allocated before it is known that they are there.</summary>
    public byte[] Bytes(ulong count)
    {
        if (count > (ulong)(_end - Position)) throw Ends();
        byte[] result = new byte[count];
        int held = (int)Math.Min(count, (ulong)(_windowLength - _next));
        _window.AsSpan(_next, held).CopyTo(result);
        _next += held;
        if (held == result.Length) return result;
        bytes.Read(Position, result.AsSpan(held));
        _windowStart = Position + result.Length - held;
        _windowLength = _next = 0;
        return result;
    }

    /// <summary>The bytes up to the next line feed, which is skipped.</summary>
    public byte[] Line()
    {
        List<byte> line = [];
        for (byte b = Byte(); b != '\n'; b = Byte())
        {
            line.Add(b);
        }

        return [.. line];
    }

    /// <summary>To throw.</summary>
    public InvalidFileException Invalid(string what) => file.Invalid($"{what} (byte {Position} of its pickle)");

    private void Require(int count)
    {
        if (_windowLength - _next >= count) return;
        _windowStart = Position;
        _next = 0;
        _windowLength = (int)Math.Min(_window.Length, _end - _windowStart);
        if (_windowLength < count) throw Ends();
        bytes.Read(_windowStart, _window.AsSpan(0, _windowLength));
    }

    private InvalidFileException Ends() => Invalid(
        _end < bytes.Length ? $"has a pickle of more than {MostBytes} bytes; save the tensors alone, as safetensors" : "ends inside its pickle: it is cut short or damaged; fetch it again");
}

using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Undo;

/// <summary>Bits out of bytes that may be anything: what lies beyond the end reads as zeros, and is remembered.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> source)
{
    /// <summary>How many bits <see cref="Peek"/> shows.</summary>
    public const int Window = 57;

    private readonly ReadOnlySpan<byte> _source = source;
    private long _position; // In bits.

    /// <summary>Whether more was read than there is.</summary>
    public readonly bool IsOverrun => _position > _source.Length * 8L;

    /// <summary>Whether all was read but for the zeros that fill the last byte.</summary>
    public readonly bool IsAtEnd => (_source.Length * 8L) - _position is >= 0 and < 8 && Peek() == 0;

    /// <summary>The next <see cref="Window"/> bits, and perhaps some after them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ulong Peek()
    {
        long first = _position >> 3;
        ulong bytes = first <= _source.Length - sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(_source[(int)first..]) : LastBytes(first);
        return bytes >> (int)(_position & 7);
    }

    /// <summary>Goes on by so many bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Skip(int count) => _position += count;

    /// <summary>A number of at most 64 bits.</summary>
    public ulong Read(int count)
    {
        if (count <= 32) return ReadShort(count);
        ulong low = ReadShort(32);
        return low | (ReadShort(count - 32) << 32);
    }

    /// <summary>How many zeros come before the next one, which is read too; null where there are more than <paramref name="most"/>.</summary>
    public int? ReadUnary(int most)
    {
        for (int zeros = 0; ; zeros += Window)
        {
            int now = BitOperations.TrailingZeroCount(Peek());
            if (now < Window)
            {
                if (zeros + now > most) return null;
                Skip(now + 1);
                return zeros + now;
            }

            Skip(Window);
            if (IsOverrun || zeros + Window > most) return null;
        }
    }

    private ulong ReadShort(int count)
    {
        ulong bits = Peek() & ((1ul << count) - 1);
        Skip(count);
        return bits;
    }

    private readonly ulong LastBytes(long first)
    {
        ulong bytes = 0;
        for (int i = 0; i < sizeof(ulong) && first + i < _source.Length; i++)
        {
            bytes |= (ulong)_source[(int)first + i] << (8 * i);
        }

        return bytes;
    }
}

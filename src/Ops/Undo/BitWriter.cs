using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Undo;

/// <summary>Bits into bytes, the lowest bit of each byte first. The caller knows how many there will be.</summary>
internal ref struct BitWriter(Span<byte> destination)
{
    /// <summary>How many bits <see cref="Put"/> takes.</summary>
    public const int Most = 56;

    private readonly Span<byte> _destination = destination;
    private ulong _pending;
    private int _pendingBits; // Fewer than 8 between calls.
    private int _written;

    /// <summary>A number of at most <see cref="Most"/> bits that has no others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(ulong bits, int count)
    {
        _pending |= bits << _pendingBits;
        _pendingBits += count;
        int whole = _pendingBits >> 3;
        if (_destination.Length - _written >= sizeof(ulong)) BinaryPrimitives.WriteUInt64LittleEndian(_destination[_written..], _pending);
        else WriteLast(whole);
        _written += whole;
        _pending >>= whole * 8;
        _pendingBits &= 7;
    }

    /// <summary>The lowest <paramref name="count"/> bits of a number, at most 64.</summary>
    public void Write(ulong bits, int count)
    {
        if (count > 32)
        {
            Put((uint)bits, 32);
            (bits, count) = (bits >> 32, count - 32);
        }

        Put(bits & ((1ul << count) - 1), count);
    }

    /// <summary>So many zeros and a one.</summary>
    public void WriteUnary(int zeros)
    {
        for (; zeros >= Most; zeros -= Most)
        {
            Put(0, Most);
        }

        Put(1ul << zeros, zeros + 1);
    }

    /// <summary>Fills the last byte with zeros; returns how many bytes there are.</summary>
    public int Finish()
    {
        if (_pendingBits > 0) Put(0, 8 - _pendingBits);
        return _written;
    }

    private readonly void WriteLast(int bytes)
    {
        for (int i = 0; i < bytes; i++)
        {
            _destination[_written + i] = (byte)(_pending >> (8 * i));
        }
    }
}

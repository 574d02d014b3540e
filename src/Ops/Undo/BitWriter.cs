using System.Buffers.Binary;

namespace LoraKit.Ops.Undo;

/// <summary>Bits into bytes, the lowest bit of each byte first. The caller knows how many there will be.</summary>
internal ref struct BitWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;
    private ulong _pending;
    private int _pendingBits; // Fewer than 32 between calls.
    private int _written;

    /// <summary>The lowest <paramref name="count"/> bits of a number, at most 64.</summary>
    public void Write(ulong bits, int count)
    {
        if (count > 32)
        {
            WriteShort((uint)bits, 32);
            (bits, count) = (bits >> 32, count - 32);
        }

        WriteShort(bits, count);
    }

    /// <summary>So many zeros and a one.</summary>
    public void WriteUnary(int zeros)
    {
        for (; zeros >= 32; zeros -= 32)
        {
            WriteShort(0, 32);
        }

        WriteShort(1ul << zeros, zeros + 1);
    }

    /// <summary>Fills the last byte with zeros; returns how many bytes there are.</summary>
    public int Finish()
    {
        for (; _pendingBits > 0; _pendingBits -= 8)
        {
            _destination[_written++] = (byte)_pending;
            _pending >>= 8;
        }

        return _written;
    }

    private void WriteShort(ulong bits, int count)
    {
        _pending |= (bits & ((1ul << count) - 1)) << _pendingBits;
        _pendingBits += count;
        if (_pendingBits < 32) return;
        BinaryPrimitives.WriteUInt32LittleEndian(_destination[_written..], (uint)_pending);
        _written += 4;
        _pending >>= 32;
        _pendingBits -= 32;
    }
}

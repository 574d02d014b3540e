using System.Buffers.Binary;
using System.Numerics;

namespace LoraKit.Ops.Undo;

/// <summary>Bits out of bytes that may be anything: what lies beyond the end reads as zeros, and is remembered.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> _source = source;
    private ulong _pending;
    private int _pendingBits;
    private int _read;

    /// <summary>Whether more was read than there is.</summary>
    public bool IsOverrun { get; private set; }

    /// <summary>Whether all was read but for the zeros that fill the last byte.</summary>
    public readonly bool IsAtEnd => !IsOverrun && _read == _source.Length && _pendingBits < 8 && _pending == 0;

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
        int zeros = 0;
        while (true)
        {
            Fill();
            if (_pendingBits == 0)
            {
                IsOverrun = true;
                return null;
            }

            int now = Math.Min(BitOperations.TrailingZeroCount(_pending), _pendingBits);
            zeros += now;
            if (zeros > most) return null;
            bool found = now < _pendingBits;
            Drop(found ? now + 1 : now);
            if (found) return zeros;
        }
    }

    private ulong ReadShort(int count)
    {
        Fill();
        if (count > _pendingBits)
        {
            IsOverrun = true;
            return 0;
        }

        ulong bits = _pending & ((1ul << count) - 1);
        Drop(count);
        return bits;
    }

    private void Drop(int count)
    {
        _pending = count < 64 ? _pending >> count : 0;
        _pendingBits -= count;
    }

    /// <summary>At least 33 pending bits where the source has them.</summary>
    private void Fill()
    {
        if (_pendingBits > 32) return;
        if (_source.Length - _read >= 4)
        {
            _pending |= (ulong)BinaryPrimitives.ReadUInt32LittleEndian(_source[_read..]) << _pendingBits;
            _pendingBits += 32;
            _read += 4;
            return;
        }

        while (_pendingBits <= 56 && _read < _source.Length)
        {
            _pending |= (ulong)_source[_read++] << _pendingBits;
            _pendingBits += 8;
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Gguf;

/// <summary>The values of Q8_0 blocks as singles, made while they are read.</summary>
internal sealed class Q8Range(IByteRange blocks) : IByteRange
{
    private const int PieceBlocks = 64;
    private const int ValueBytes = Q8Block.Elements * sizeof(float);

    public long Length => blocks.Length / Q8Block.Bytes * ValueBytes;

    public long Offset => blocks.Offset;

    [SkipLocalsInit]
    public void Read(long from, Span<byte> destination)
    {
        Span<byte> stored = stackalloc byte[PieceBlocks * Q8Block.Bytes];
        Span<float> values = stackalloc float[PieceBlocks * Q8Block.Elements];
        while (!destination.IsEmpty)
        {
            (long first, long skip) = Math.DivRem(from, ValueBytes);
            int count = (int)Math.Min(PieceBlocks, (skip + destination.Length + ValueBytes - 1) / ValueBytes);
            blocks.Read(first * Q8Block.Bytes, stored[..(count * Q8Block.Bytes)]);
            Q8Block.Decode(stored[..(count * Q8Block.Bytes)], values);
            ReadOnlySpan<byte> decoded = MemoryMarshal.AsBytes(values)[(int)skip..(count * ValueBytes)];
            int length = Math.Min(decoded.Length, destination.Length);
            decoded[..length].CopyTo(destination);
            destination = destination[length..];
            from += length;
        }
    }
}

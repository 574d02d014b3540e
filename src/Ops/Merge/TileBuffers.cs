using System.Runtime.InteropServices;

namespace LoraKit.Ops.Merge;

/// <summary>One worker's memory: page-aligned input and output, and doubles where values are composed. It grows only for rows longer than a tile.</summary>
internal sealed unsafe class TileBuffers(int bytes) : IDisposable
{
    private const nuint Alignment = 4096;

    private void* _source;
    private void* _destination;
    private int _sourceLength;
    private int _destinationLength;
    private double[] _values = [];
    private double[] _others = [];

    /// <summary>What a tile should be cut to.</summary>
    public int PreferredBytes => bytes;

    public Span<byte> Source(int length) => Rent(ref _source, ref _sourceLength, length);

    public Span<byte> Destination(int length) => Rent(ref _destination, ref _destinationLength, length);

    /// <summary>The composed values of a tile.</summary>
    public Span<double> Values(int length) => Rent(ref _values, length);

    /// <summary>Values that are mixed into them.</summary>
    public Span<double> Others(int length) => Rent(ref _others, length);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_source);
        NativeMemory.AlignedFree(_destination);
        _source = _destination = null;
    }

    private Span<byte> Rent(ref void* block, ref int blockLength, int length)
    {
        if (blockLength < length)
        {
            NativeMemory.AlignedFree(block);
            block = null;
            blockLength = Math.Max(length, bytes);
            block = NativeMemory.AlignedAlloc((nuint)blockLength, Alignment);
        }

        return new(block, length);
    }

    private static Span<double> Rent(ref double[] values, int length)
    {
        if (values.Length < length) values = new double[length];
        return values.AsSpan(0, length);
    }
}

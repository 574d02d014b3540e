using System.Runtime.InteropServices;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Merge;

/// <summary>One worker's memory: page-aligned input and output, and doubles where values are composed. It grows only for rows longer than a tile.</summary>
internal sealed unsafe class TileBuffers(int bytes) : IDisposable
{
    private const nuint Alignment = 4096;

    private void* _source;
    private void* _destination;
    private int _sourceLength;
    private int _destinationLength;
    private void* _original;
    private void* _prediction;
    private void* _codes;
    private int _originalLength;
    private int _predictionLength;
    private int _codesLength;
    private double[] _values = [];
    private double[] _others = [];

    /// <summary>What a tile should be cut to.</summary>
    public int PreferredBytes => bytes;

    public Span<byte> Source(int length) => Rent(ref _source, ref _sourceLength, length);

    public Span<byte> Destination(int length) => Rent(ref _destination, ref _destinationLength, length);

    /// <summary>What the base had where the source is something else; where a record is made or used.</summary>
    public Span<byte> Original(int length) => Rent(ref _original, ref _originalLength, length);

    /// <summary>What a record's corrections begin from.</summary>
    public Span<byte> Prediction(int length) => Rent(ref _prediction, ref _predictionLength, length);

    /// <summary>Corrections as they are stored.</summary>
    public Span<byte> Codes(int length) => Rent(ref _codes, ref _codesLength, length);

    /// <summary>The one who finds corrections.</summary>
    public BlockEncoder Encoder { get; } = new();

    /// <summary>The composed values of a tile.</summary>
    public Span<double> Values(int length) => Rent(ref _values, length);

    /// <summary>Values that are mixed into them.</summary>
    public Span<double> Others(int length) => Rent(ref _others, length);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_source);
        NativeMemory.AlignedFree(_destination);
        NativeMemory.AlignedFree(_original);
        NativeMemory.AlignedFree(_prediction);
        NativeMemory.AlignedFree(_codes);
        _source = _destination = _original = _prediction = _codes = null;
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

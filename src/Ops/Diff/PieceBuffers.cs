using System.Buffers;

namespace LoraKit.Ops.Diff;

/// <summary>What one piece needs while it is compared: stored elements and values of both sides.</summary>
internal readonly struct PieceBuffers(int elements) : IDisposable
{
    private readonly byte[] _bytesA = ArrayPool<byte>.Shared.Rent(checked(elements * sizeof(double)));
    private readonly byte[] _bytesB = ArrayPool<byte>.Shared.Rent(checked(elements * sizeof(double)));
    private readonly double[] _valuesA = ArrayPool<double>.Shared.Rent(elements);
    private readonly double[] _valuesB = ArrayPool<double>.Shared.Rent(elements);
    private readonly int _elements = elements;

    public Span<byte> BytesA => _bytesA.AsSpan(0, _elements * sizeof(double));

    public Span<byte> BytesB => _bytesB.AsSpan(0, _elements * sizeof(double));

    public Span<double> ValuesA => _valuesA.AsSpan(0, _elements);

    public Span<double> ValuesB => _valuesB.AsSpan(0, _elements);

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_bytesA);
        ArrayPool<byte>.Shared.Return(_bytesB);
        ArrayPool<double>.Shared.Return(_valuesA);
        ArrayPool<double>.Shared.Return(_valuesB);
    }
}

using System.Buffers;

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>Rented doubles; dispose to give them back. Its contents are whatever was there.</summary>
internal readonly ref struct RowBuffer : IDisposable
{
    private readonly double[] _rented;

    public RowBuffer(int length)
    {
        _rented = ArrayPool<double>.Shared.Rent(length);
        Values = _rented.AsSpan(0, length);
    }

    public Span<double> Values { get; }

    public void Dispose() => ArrayPool<double>.Shared.Return(_rented);
}

namespace LoraKit.Formats.Tensors;

/// <summary>Consecutive rows of a tensor, taken while it is read; the other dimensions stay.</summary>
internal sealed class TensorRows : TensorValue
{
    private readonly TensorValue _source;
    private readonly long _start;

    /// <param name="source">A tensor of whole-byte elements and at least one dimension.</param>
    /// <param name="first">The first row.</param>
    /// <param name="rows">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tensor has no such rows.</exception>
    public TensorRows(TensorValue source, long first, long rows)
        : base(source.Name, source.DType, new TensorShape([rows, .. source.Shape.Sizes.AsSpan()[1..]]))
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, source.Shape[0] - rows);
        (_source, _start) = (source, first * (source.Shape.ElementCount / source.Shape[0]) * source.DType.Bytes());
    }

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) => _source.ReadBytes(_start + start, destination);
}

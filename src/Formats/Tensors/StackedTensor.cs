namespace LoraKit.Formats.Tensors;

/// <summary>Tensors of one shape and element type, one after the other under a new outermost dimension, made while it is read.</summary>
internal sealed class StackedTensor : TensorValue
{
    private readonly IReadOnlyList<TensorValue> _parts;

    /// <param name="parts">At least one, of whole-byte elements.</param>
    public StackedTensor(IReadOnlyList<TensorValue> parts)
        : base(parts[0].Name, parts[0].DType, new TensorShape([parts.Count, .. parts[0].Shape.Sizes]))
    {
        if (parts.Any(part => (part.Shape, part.DType) != (parts[0].Shape, DType))) throw new ArgumentException("the parts differ in shape or element type", nameof(parts));
        _parts = parts;
    }

    /// <inheritdoc/>
    public override string? File => _parts[0].File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => [.. _parts.SelectMany(part => part.Parts)];

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        long partBytes = _parts[0].Shape.ElementCount * DType.Bytes();
        while (!destination.IsEmpty)
        {
            (long part, long skip) = Math.DivRem(start, partBytes);
            Span<byte> now = destination[..(int)Math.Min(partBytes - skip, destination.Length)];
            _parts[(int)part].ReadBytes(skip, now);
            destination = destination[now.Length..];
            start += now.Length;
        }
    }
}

/// <summary>One tensor of a stack: all of the source with one index of its outermost dimension, read in place.</summary>
internal sealed class PartOfStack(TensorValue source, long index)
    : TensorValue(source.Name, source.DType, new TensorShape(source.Shape.Sizes.AsSpan()[1..]))
{
    /// <inheritdoc/>
    public override string? File => source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) =>
        source.ReadBytes((index * Shape.ElementCount * DType.Bytes()) + start, destination);
}

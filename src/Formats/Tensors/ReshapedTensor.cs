namespace LoraKit.Formats.Tensors;

/// <summary>The same elements in the same order, under other sizes.</summary>
internal sealed class ReshapedTensor : TensorValue
{
    private readonly TensorValue _source;

    private ReshapedTensor(TensorValue source, TensorShape shape)
        : base(source.Name, source.DType, shape) => _source = source;

    /// <summary>The tensor of that shape: itself where it has it.</summary>
    /// <exception cref="ArgumentException">The shape has more or fewer elements.</exception>
    public static TensorValue Of(TensorValue source, TensorShape shape)
    {
        if (shape.ElementCount != source.Shape.ElementCount) throw new ArgumentException($"{source.Shape} cannot become {shape}", nameof(shape));
        return source.Shape == shape ? source : new ReshapedTensor(source, shape);
    }

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => _source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) => _source.ReadBytes(start, destination);
}

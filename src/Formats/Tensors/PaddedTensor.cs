namespace LoraKit.Formats.Tensors;

/// <summary>A matrix with columns of zeros behind its own: [rows, columns] becomes [rows, more]. In the same element type, whose zero is zero bytes.</summary>
internal sealed class PaddedTensor : TensorValue
{
    private readonly TensorValue _source;

    private PaddedTensor(TensorValue source, long columns)
        : base(source.Name, source.DType, new TensorShape(source.Shape[0], columns)) => _source = source;

    /// <param name="source">A matrix of whole-byte elements.</param>
    /// <param name="columns">As many as it has, or more.</param>
    public static TensorValue Columns(TensorValue source, long columns) => source.Shape[1] == columns ? source : new PaddedTensor(source, columns);

    /// <summary>The same for rows.</summary>
    public static TensorValue Rows(TensorValue source, long rows)
    {
        TensorValue line = ReshapedTensor.Of(source, new TensorShape(1, source.Shape.ElementCount));
        return ReshapedTensor.Of(Columns(line, checked(rows * source.Shape[1])), new TensorShape(rows, source.Shape[1]));
    }

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => _source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        destination.Clear();
        long stored = _source.Shape[1] * DType.Bytes(), rowBytes = Shape[1] * DType.Bytes(), end = start + destination.Length;
        for (long row = start / rowBytes; row * rowBytes < end; row++)
        {
            (long from, long to) = (Math.Max(start, row * rowBytes), Math.Min(end, (row * rowBytes) + stored));
            if (from < to) _source.ReadBytes((row * stored) + from - (row * rowBytes), destination[(int)(from - start)..(int)(to - start)]);
        }
    }
}

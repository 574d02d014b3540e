namespace LoraKit.Formats.Tensors;

/// <summary>Some rows, and some columns at equal distances, of a matrix, taken while it is read.</summary>
internal sealed class MatrixSlice : TensorValue
{
    private readonly TensorValue _source;
    private readonly long _firstRow;
    private readonly long _firstColumn;
    private readonly long _stride;

    /// <param name="source">A matrix of whole-byte elements.</param>
    /// <param name="firstRow">The first row.</param>
    /// <param name="rows">How many.</param>
    /// <param name="firstColumn">The first column.</param>
    /// <param name="columns">How many.</param>
    /// <param name="stride">From one column to the next.</param>
    /// <exception cref="ArgumentOutOfRangeException">The matrix has no such rows or columns.</exception>
    public MatrixSlice(TensorValue source, long firstRow, long rows, long firstColumn, long columns, long stride = 1)
        : base(source.Name, source.DType, new TensorShape(rows, columns))
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(firstColumn);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, source.Shape[0] - rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstColumn + ((columns - 1) * stride), source.Shape[1] - 1);
        (_source, _firstRow, _firstColumn, _stride) = (source, firstRow, firstColumn, stride);
    }

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        int size = DType.Bytes();
        long rowBytes = Shape[1] * size, wide = _source.Shape[1];
        byte[] span = new byte[(((Shape[1] - 1) * _stride) + 1) * size], row = _stride == 1 ? span : new byte[rowBytes];
        while (destination.Length > 0)
        {
            (long i, long skipped) = Math.DivRem(start, rowBytes);
            _source.ReadBytes((((_firstRow + i) * wide) + _firstColumn) * size, span);
            for (int j = 0; _stride != 1 && j < Shape[1]; j++)
            {
                span.AsSpan((int)(j * _stride * size), size).CopyTo(row.AsSpan(j * size));
            }

            int now = (int)Math.Min(rowBytes - skipped, destination.Length);
            row.AsSpan((int)skipped, now).CopyTo(destination);
            destination = destination[now..];
            start += now;
        }
    }
}

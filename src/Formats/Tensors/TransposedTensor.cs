namespace LoraKit.Formats.Tensors;

/// <summary>The transpose of a matrix, in the same element type, made while it is read: [rows, columns] → [columns, rows].</summary>
internal sealed class TransposedTensor : TensorValue
{
    // One read of the source at most; a transposed read touches every row of it.
    private const int PieceBytes = 1 << 20;

    private readonly long _rows;
    private readonly long _columns;
    private readonly int _size;

    /// <summary>The transpose of <paramref name="source"/>.</summary>
    /// <param name="source">A matrix of whole-byte elements.</param>
    /// <exception cref="ArgumentException">It is no matrix, or its elements are smaller than a byte.</exception>
    public TransposedTensor(TensorValue source)
        : base(source.Name, source.DType, Swap(source))
    {
        Source = source;
        (_rows, _columns) = (source.Shape[0], source.Shape[1]);
        _size = source.DType.Bytes();
    }

    /// <summary>The transpose of a tensor: of a transpose the tensor itself.</summary>
    public static TensorValue Of(TensorValue value) => value is TransposedTensor turned ? turned.Source : new TransposedTensor(value);

    /// <summary>The matrix as it is stored.</summary>
    public TensorValue Source { get; }

    /// <inheritdoc/>
    public override string? File => Source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => Source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, checked(_rows * _columns * _size) - start, nameof(destination));
        if (destination.IsEmpty) return;

        // Our row c is column c of the source, so the wanted range is made of whole and two partial columns.
        long rowBytes = _rows * _size;
        long firstColumn = start / rowBytes;
        long columns = ((start + destination.Length - 1) / rowBytes) - firstColumn + 1;
        bool wholeRows = columns * 2 >= _columns;
        (long from, long width) = wholeRows ? (0, _columns) : (firstColumn, columns);

        long step = Math.Clamp(PieceBytes / _size, 1, width);
        int rowsAtOnce = wholeRows && step == width ? (int)Math.Clamp(PieceBytes / (width * _size), 1, _rows) : 1;
        byte[] piece = new byte[rowsAtOnce * step * _size];
        for (long row = 0; row < _rows; row += rowsAtOnce)
        {
            int rows = (int)Math.Min(rowsAtOnce, _rows - row);
            for (long column = from; column < from + width; column += step)
            {
                int count = (int)Math.Min(step, from + width - column);
                Span<byte> bytes = piece.AsSpan(0, rows * count * _size);
                Source.ReadBytes(((row * _columns) + column) * _size, bytes);
                for (int i = 0; i < rows * count; i++)
                {
                    long at = ((((column + (i % count)) * _rows) + row + (i / count)) * _size) - start;
                    Place(bytes.Slice(i * _size, _size), at, destination);
                }
            }
        }
    }

    private static void Place(ReadOnlySpan<byte> element, long at, Span<byte> destination)
    {
        if (at >= destination.Length || at <= -element.Length) return;
        int skip = at < 0 ? (int)-at : 0;
        int length = (int)Math.Min(element.Length - skip, destination.Length - (at + skip));
        element.Slice(skip, length).CopyTo(destination[(int)(at + skip)..]);
    }

    private static TensorShape Swap(TensorValue source)
    {
        if (source.Shape.Rank != 2 || source.DType.Bytes() == 0)
        {
            throw new ArgumentException($"{source.DType.FileName()} {source.Shape} is no matrix of whole bytes", nameof(source));
        }

        return new TensorShape(source.Shape[1], source.Shape[0]);
    }
}

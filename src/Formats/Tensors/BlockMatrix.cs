namespace LoraKit.Formats.Tensors;

/// <summary>A matrix within a <see cref="BlockMatrix"/>.</summary>
/// <param name="Values">Its first dimension is its rows, the others together its columns.</param>
/// <param name="Row">Its first row in the whole.</param>
/// <param name="Column">Its first column in the whole.</param>
internal readonly record struct MatrixBlock(TensorValue Values, long Row, long Column)
{
    public long Rows => Values.Shape[0];

    public long Columns => Values.Shape.ElementCount / Values.Shape[0];
}

/// <summary>A matrix put together of others while it is read, zero where none is. In their element type, of which every one has a zero of zero bytes.</summary>
internal sealed class BlockMatrix : TensorValue
{
    private readonly MatrixBlock[] _blocks;

    /// <param name="name">A name that tells where it came from.</param>
    /// <param name="shape">[rows, columns], or more dimensions, whose product after the first is the columns.</param>
    /// <param name="blocks">Of one type of whole bytes; none overlaps another.</param>
    /// <exception cref="ArgumentException">There is none, they differ in type, or one leaves the matrix.</exception>
    public BlockMatrix(string name, TensorShape shape, params IReadOnlyList<MatrixBlock> blocks)
        : base(name, blocks.Count == 0 ? throw new ArgumentException("no block", nameof(blocks)) : blocks[0].Values.DType, shape)
    {
        (long rows, long columns) = shape.AsMatrix();
        if (blocks.Any(block => block.Values.DType != DType || block.Row < 0 || block.Column < 0 || block.Row + block.Rows > rows || block.Column + block.Columns > columns))
        {
            throw new ArgumentException($"a block is of another type, or leaves {shape}", nameof(blocks));
        }

        _blocks = [.. blocks];
        RowBytes = columns * DType.Bytes();
    }

    /// <inheritdoc/>
    public override string? File => _blocks[0].Values.File;

    private long RowBytes { get; }

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        destination.Clear();
        long end = start + destination.Length;
        foreach (MatrixBlock block in _blocks)
        {
            long width = block.Columns * DType.Bytes(), left = block.Column * DType.Bytes();
            if (width == RowBytes)
            {
                Copy(block, 0, block.Row * RowBytes, block.Rows * RowBytes, start, end, destination);
                continue;
            }

            for (long row = Math.Max(block.Row, start / RowBytes); row < block.Row + block.Rows && row * RowBytes < end; row++)
            {
                Copy(block, (row - block.Row) * width, (row * RowBytes) + left, width, start, end, destination);
            }
        }
    }

    /// <summary>What of a run of a block's bytes lies in the range that is read.</summary>
    private static void Copy(MatrixBlock block, long within, long at, long length, long start, long end, Span<byte> destination)
    {
        (long from, long to) = (Math.Max(start, at), Math.Min(end, at + length));
        if (from < to) block.Values.ReadBytes(within + from - at, destination[(int)(from - start)..(int)(to - start)]);
    }
}

namespace LoraKit.Formats.Tensors;

/// <summary>
/// A block-diagonal matrix of equal blocks from the file's rows of the blocks alone: packed [rows, width], the first rows/blocks of them being
/// the first block, becomes [rows, blocks·width]. In the same element type, of which every one has a zero of zero bytes.
/// </summary>
internal sealed class BlockDiagonalTensor : TensorValue
{
    private readonly TensorValue _packed;
    private readonly long _blockRows;
    private readonly long _packedBytes;
    private readonly long _rowBytes;

    /// <param name="packed">A matrix; its rows are a multiple of <paramref name="blocks"/>.</param>
    /// <param name="blocks">How many blocks.</param>
    public BlockDiagonalTensor(TensorValue packed, long blocks)
        : base(packed.Name, packed.DType, new TensorShape(packed.Shape[0], checked(packed.Shape[1] * blocks)))
    {
        _packed = packed;
        _blockRows = packed.Shape[0] / blocks;
        _packedBytes = packed.Shape[1] * packed.DType.Bytes();
        _rowBytes = checked(_packedBytes * blocks);
    }

    /// <inheritdoc/>
    public override string? File => _packed.File;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        destination.Clear();
        long end = start + destination.Length;
        for (long row = start / _rowBytes; row * _rowBytes < end; row++)
        {
            long block = (row * _rowBytes) + (row / _blockRows * _packedBytes);
            (long from, long to) = (Math.Max(start, block), Math.Min(end, block + _packedBytes));
            if (from < to) _packed.ReadBytes((row * _packedBytes) + from - block, destination[(int)(from - start)..(int)(to - start)]);
        }
    }
}

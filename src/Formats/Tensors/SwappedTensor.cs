namespace LoraKit.Formats.Tensors;

/// <summary>Three axes with the first two changed over, in the same element type, made while it is read: [a, b, c] becomes [b, a, c].</summary>
internal sealed class SwappedTensor : TensorValue
{
    private readonly TensorValue _source;

    /// <param name="source">Of three axes and whole-byte elements, none of them empty.</param>
    public SwappedTensor(TensorValue source)
        : base(source.Name, source.DType, new TensorShape(source.Shape[1], source.Shape[0], source.Shape[2])) => _source = source;

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => _source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        if (destination.IsEmpty) return;
        // What is asked for is [first, last] of our first axis; in the source these are one run for each of its first axis.
        long piece = Shape[2] * DType.Bytes(), step = Shape[1] * piece, end = start + destination.Length;
        long first = start / step, last = (end - 1) / step;
        byte[] run = new byte[checked((int)((last - first + 1) * piece))];
        for (long a = 0; a < Shape[1]; a++)
        {
            _source.ReadBytes(((a * Shape[0]) + first) * piece, run);
            for (long b = first; b <= last; b++)
            {
                long at = (b * step) + (a * piece);
                (long from, long to) = (Math.Max(start, at), Math.Min(end, at + piece));
                if (from < to) run.AsSpan((int)(((b - first) * piece) + from - at), (int)(to - from)).CopyTo(destination[(int)(from - start)..]);
            }
        }
    }
}

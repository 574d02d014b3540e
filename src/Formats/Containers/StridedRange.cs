using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Containers;

/// <summary>
/// A tensor whose elements lie in another order than row-major: transposed, a slice, Fortran order. Put in order when it is read; the source
/// is gone through once, by ascending strides, whatever the order of the dimensions.
/// </summary>
/// <param name="source">Where the elements lie; every index was checked against it.</param>
/// <param name="start">Where the first element lies in the source, in bytes.</param>
/// <param name="elementBytes">Bytes per element.</param>
/// <param name="shape">The sizes, outermost first.</param>
/// <param name="strides">Elements from one index to the next, for each dimension.</param>
/// <param name="recent">Where the result is kept for a while.</param>
internal sealed class StridedRange(
    IByteRange source, long start, int elementBytes, TensorShape shape, IReadOnlyList<long> strides, RecentBytes recent) : IByteRange
{
    private const int WindowBytes = 1 << 16;

    public long Length { get; } = shape.ElementCount * elementBytes;

    public long Offset => source.Offset;

    public void Read(long from, Span<byte> destination) =>
        recent.Get(this, Length, Gather).AsSpan((int)from, destination.Length).CopyTo(destination);

    private byte[] Gather()
    {
        byte[] result = new byte[Length];
        byte[] window = new byte[Math.Min(WindowBytes, source.Length)];
        (long Start, int Length) held = default;
        Dimension[] dimensions = BySource();
        long[] index = new long[dimensions.Length];
        long from = start;
        long to = 0;
        for (long left = shape.ElementCount; left > 0; left--)
        {
            if (from < held.Start || from + elementBytes > held.Start + held.Length)
            {
                held = (from, (int)Math.Min(window.Length, source.Length - from));
                source.Read(from, window.AsSpan(0, held.Length));
            }

            window.AsSpan((int)(from - held.Start), elementBytes).CopyTo(result.AsSpan((int)to));
            for (int d = dimensions.Length - 1; d >= 0; d--)
            {
                Dimension dimension = dimensions[d];
                from += dimension.FromStep;
                to += dimension.ToStep;
                if (++index[d] < dimension.Size) break;
                from -= dimension.FromStep * dimension.Size;
                to -= dimension.ToStep * dimension.Size;
                index[d] = 0;
            }
        }

        return result;
    }

    // The last dimension changes fastest: that of the smallest stride in the source.
    private Dimension[] BySource()
    {
        List<Dimension> dimensions = [];
        long to = elementBytes;
        for (int d = shape.Rank - 1; d >= 0; d--)
        {
            if (shape[d] > 1) dimensions.Add(new(shape[d], strides[d] * elementBytes, to));
            to *= shape[d];
        }

        return [.. dimensions.OrderByDescending(d => d.FromStep)];
    }

    private readonly record struct Dimension(long Size, long FromStep, long ToStep);
}

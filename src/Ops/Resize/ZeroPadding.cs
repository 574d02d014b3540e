using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Resize;

/// <summary>A factor grown by zeros, in its own element type, made while it is read: [rows, columns] into the top left of a larger matrix.</summary>
internal static class ZeroPadding
{
    /// <param name="source">A factor of whole-byte elements.</param>
    /// <param name="shape">The larger shape; as matrices, neither rows nor columns are fewer.</param>
    public static TensorValue Pad(TensorValue source, TensorShape shape)
    {
        (long rows, long columns) = source.Shape.AsMatrix();
        long rowBytes = columns * source.DType.Bytes();
        long newRowBytes = shape.AsMatrix().Columns * source.DType.Bytes();
        return new ComputedTensor(source.Name, source.DType, shape, Read);

        void Read(long start, Span<byte> destination)
        {
            destination.Clear();
            if (destination.IsEmpty) return;
            if (newRowBytes == rowBytes)
            {
                // More rows alone: what there is lies as it did.
                source.ReadBytes(start, destination[..(int)Math.Clamp((rows * rowBytes) - start, 0, destination.Length)]);
                return;
            }

            long firstRow = Math.Min(start / newRowBytes, rows);
            long endRow = Math.Min(((start + destination.Length - 1) / newRowBytes) + 1, rows);
            if (firstRow == endRow) return;

            // One read for all rows: their own bytes are no more than what is asked for, but for the two at the ends.
            byte[] own = new byte[(endRow - firstRow) * rowBytes];
            source.ReadBytes(firstRow * rowBytes, own);
            for (long row = firstRow; row < endRow; row++)
            {
                ReadOnlySpan<byte> bytes = own.AsSpan((int)((row - firstRow) * rowBytes), (int)rowBytes);
                long at = (row * newRowBytes) - start;
                if (at < 0) bytes = bytes[(int)Math.Min(-at, bytes.Length)..];
                Span<byte> place = destination[(int)Math.Clamp(at, 0, destination.Length)..];
                bytes[..Math.Min(bytes.Length, place.Length)].CopyTo(place);
            }
        }
    }
}

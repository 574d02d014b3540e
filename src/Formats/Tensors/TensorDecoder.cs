using LoraKit.Formats.Files;

namespace LoraKit.Formats.Tensors;

/// <summary>Whole tensors to arrays of values, read in bounded pieces.</summary>
internal static class TensorDecoder
{
    private const int PieceElements = 1 << 18;

    public static float[] ToSingles(TensorValue tensor) => Decode<float>(tensor, FloatConvert.ToSingles);

    public static double[] ToDoubles(TensorValue tensor) => Decode<double>(tensor, FloatConvert.ToDoubles);

    private delegate void Decoder<T>(DType dtype, ReadOnlySpan<byte> source, Span<T> destination);

    private static T[] Decode<T>(TensorValue tensor, Decoder<T> decode)
    {
        if (!tensor.DType.IsMergeable())
        {
            throw new UnsupportedException(
                $"tensor '{Printable.Text(tensor.Name)}' is stored as {tensor.DType.FileName()}, which has no real values to compute with", tensor.File, tensor.Name);
        }

        long count = tensor.Shape.ElementCount;
        if (count > Array.MaxLength)
        {
            throw new UnsupportedException(
                $"tensor '{Printable.Text(tensor.Name)}' has {count} elements, more than fit in one array ({Array.MaxLength})", tensor.File, tensor.Name);
        }

        T[] values = new T[count];
        int size = tensor.DType.Bytes();
        byte[] piece = new byte[Math.Min(count, PieceElements) * size];
        for (int done = 0; done < values.Length;)
        {
            int now = Math.Min(PieceElements, values.Length - done);
            Span<byte> bytes = piece.AsSpan(0, now * size);
            tensor.ReadBytes((long)done * size, bytes);
            decode(tensor.DType, bytes, values.AsSpan(done, now));
            done += now;
        }

        return values;
    }
}

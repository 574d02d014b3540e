using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>Elements from one type to another with one rounding to nearest even.</summary>
internal static class ElementCast
{
    private const int PieceElements = 4096;

    public static void Cast(ReadOnlySpan<byte> source, DType from, Span<byte> destination, DType to)
    {
        if (from == to)
        {
            source.CopyTo(destination);
            return;
        }

        Span<double> doubles = stackalloc double[from == DType.F64 ? PieceElements : 0];
        Span<float> singles = stackalloc float[from == DType.F64 ? 0 : PieceElements];
        int count = source.Length / from.Bytes();
        for (int done = 0; done < count; done += PieceElements)
        {
            int now = Math.Min(PieceElements, count - done);
            ReadOnlySpan<byte> input = source.Slice(done * from.Bytes(), now * from.Bytes());
            Span<byte> output = destination.Slice(done * to.Bytes(), now * to.Bytes());
            if (from == DType.F64)
            {
                FloatConvert.ToDoubles(from, input, doubles[..now]);
                FloatConvert.FromDoubles(to, doubles[..now], output);
            }
            else
            {
                FloatConvert.ToSingles(from, input, singles[..now]);
                FloatConvert.FromSingles(to, singles[..now], output);
            }
        }
    }
}

namespace LoraKit.Formats.Tensors;

/// <summary>
/// Element types to and from singles and doubles, over spans. Decoding is exact; encoding rounds to nearest, ties to even, once.
/// NaN stays NaN; overflow goes to infinity where the type has one, and to NaN in F8_E4M3 (as PyTorch casts).
/// </summary>
public static class FloatConvert
{
    /// <summary>Decodes stored elements to singles. F64 is rounded, all else is exact.</summary>
    /// <param name="dtype">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">Bytes, <paramref name="destination"/>.Length elements.</param>
    /// <param name="destination">The values.</param>
    public static void ToSingles(DType dtype, ReadOnlySpan<byte> source, Span<float> destination) => throw new NotImplementedException();

    /// <summary>Decodes stored elements to doubles, exactly.</summary>
    public static void ToDoubles(DType dtype, ReadOnlySpan<byte> source, Span<double> destination) => throw new NotImplementedException();

    /// <summary>Encodes singles, rounding to nearest even once.</summary>
    public static void FromSingles(DType dtype, ReadOnlySpan<float> source, Span<byte> destination) => throw new NotImplementedException();

    /// <summary>Encodes doubles, rounding to nearest even once (never by way of a single).</summary>
    public static void FromDoubles(DType dtype, ReadOnlySpan<double> source, Span<byte> destination) => throw new NotImplementedException();
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Formats.Tensors;

/// <summary>
/// Element types to and from singles and doubles, over spans. Decoding is exact; encoding rounds to nearest, ties to even, once.
/// NaN stays NaN; overflow goes to infinity where the type has one, and to NaN in F8_E4M3 (as PyTorch casts).
/// Bytes need no alignment.
/// </summary>
public static class FloatConvert
{
    /// <summary>How many elements are on the stack at once where doubles go by way of singles.</summary>
    private const int PieceElements = 512;

    /// <summary>Decodes stored elements to singles. F64 is rounded, all else is exact.</summary>
    /// <param name="dtype">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">Bytes, <paramref name="destination"/>.Length elements.</param>
    /// <param name="destination">The values.</param>
    /// <exception cref="ArgumentException">The type is not mergeable, or the lengths differ.</exception>
    public static void ToSingles(DType dtype, ReadOnlySpan<byte> source, Span<float> destination)
    {
        CheckLength(dtype, source.Length, destination.Length);
        switch (dtype)
        {
            case DType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case DType.F64:
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = (float)MemoryMarshal.Read<double>(source[(i * sizeof(double))..]);
                }

                break;
            case DType.BF16:
                FloatLoops.Decode<BFloat16Codec>(source, destination);
                break;
            case DType.F16:
                FloatLoops.Decode<SmallFloatCodec<Float16>>(source, destination);
                break;
            case DType.F8E5M2:
                FloatLoops.Decode<SmallFloatCodec<Float8E5M2>>(source, destination);
                break;
            default:
                FloatLoops.Decode<SmallFloatCodec<Float8E4M3>>(source, destination);
                break;
        }
    }

    /// <summary>Decodes stored elements to doubles, exactly.</summary>
    /// <param name="dtype">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">Bytes, <paramref name="destination"/>.Length elements.</param>
    /// <param name="destination">The values.</param>
    /// <exception cref="ArgumentException">The type is not mergeable, or the lengths differ.</exception>
    [SkipLocalsInit]
    public static void ToDoubles(DType dtype, ReadOnlySpan<byte> source, Span<double> destination)
    {
        CheckLength(dtype, source.Length, destination.Length);
        if (dtype == DType.F64)
        {
            source.CopyTo(MemoryMarshal.AsBytes(destination));
            return;
        }

        Span<float> buffer = stackalloc float[PieceElements];
        while (!destination.IsEmpty)
        {
            Span<float> piece = buffer[..Math.Min(PieceElements, destination.Length)];
            ToSingles(dtype, source[..(piece.Length * dtype.Bytes())], piece);
            FloatLoops.Widen(piece, destination);
            source = source[(piece.Length * dtype.Bytes())..];
            destination = destination[piece.Length..];
        }
    }

    /// <summary>Encodes singles, rounding to nearest even once.</summary>
    /// <param name="dtype">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">The values.</param>
    /// <param name="destination">Bytes, <paramref name="source"/>.Length elements.</param>
    /// <exception cref="ArgumentException">The type is not mergeable, or the lengths differ.</exception>
    public static void FromSingles(DType dtype, ReadOnlySpan<float> source, Span<byte> destination)
    {
        CheckLength(dtype, destination.Length, source.Length);
        switch (dtype)
        {
            case DType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(destination);
                break;
            case DType.F64:
                for (int i = 0; i < source.Length; i++)
                {
                    MemoryMarshal.Write(destination[(i * sizeof(double))..], (double)source[i]);
                }

                break;
            case DType.BF16:
                FloatLoops.Encode<BFloat16Codec>(source, destination);
                break;
            case DType.F16:
                FloatLoops.Encode<SmallFloatCodec<Float16>>(source, destination);
                break;
            case DType.F8E5M2:
                FloatLoops.Encode<SmallFloatCodec<Float8E5M2>>(source, destination);
                break;
            default:
                FloatLoops.Encode<SmallFloatCodec<Float8E4M3>>(source, destination);
                break;
        }
    }

    /// <summary>Encodes doubles, rounding to nearest even once (never by way of a rounded single).</summary>
    /// <param name="dtype">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">The values.</param>
    /// <param name="destination">Bytes, <paramref name="source"/>.Length elements.</param>
    /// <exception cref="ArgumentException">The type is not mergeable, or the lengths differ.</exception>
    [SkipLocalsInit]
    public static void FromDoubles(DType dtype, ReadOnlySpan<double> source, Span<byte> destination)
    {
        CheckLength(dtype, destination.Length, source.Length);
        if (dtype == DType.F64)
        {
            MemoryMarshal.AsBytes(source).CopyTo(destination);
            return;
        }

        Span<float> buffer = stackalloc float[PieceElements];
        while (!source.IsEmpty)
        {
            Span<float> piece = buffer[..Math.Min(PieceElements, source.Length)];
            if (dtype == DType.F32) FloatLoops.Narrow(source[..piece.Length], piece);
            else FloatLoops.NarrowToOdd(source[..piece.Length], piece);

            FromSingles(dtype, piece, destination[..(piece.Length * dtype.Bytes())]);
            source = source[piece.Length..];
            destination = destination[(piece.Length * dtype.Bytes())..];
        }
    }

    /// <summary>Stored elements of one type to another, rounding to nearest even once; of the same type: the same bytes.</summary>
    /// <param name="sourceType">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="source">Whole elements.</param>
    /// <param name="destinationType">A type for which <see cref="DTypes.IsMergeable"/> holds.</param>
    /// <param name="destination">As many elements; may not overlap the source.</param>
    /// <exception cref="ArgumentException">A type is not mergeable, or the element counts differ.</exception>
    [SkipLocalsInit]
    public static void Cast(DType sourceType, ReadOnlySpan<byte> source, DType destinationType, Span<byte> destination)
    {
        int count = source.Length / Math.Max(1, sourceType.Bytes());
        CheckLength(sourceType, source.Length, count);
        CheckLength(destinationType, destination.Length, count);
        if (sourceType == destinationType)
        {
            source.CopyTo(destination);
            return;
        }

        bool wide = sourceType == DType.F64 || destinationType == DType.F64;
        Span<double> buffer = stackalloc double[PieceElements];
        for (int done = 0; done < count; done += PieceElements)
        {
            int now = Math.Min(PieceElements, count - done);
            ReadOnlySpan<byte> from = source.Slice(done * sourceType.Bytes(), now * sourceType.Bytes());
            Span<byte> to = destination.Slice(done * destinationType.Bytes(), now * destinationType.Bytes());
            if (wide)
            {
                ToDoubles(sourceType, from, buffer[..now]);
                FromDoubles(destinationType, buffer[..now], to);
            }
            else
            {
                Span<float> singles = MemoryMarshal.Cast<double, float>(buffer)[..now];
                ToSingles(sourceType, from, singles);
                FromSingles(destinationType, singles, to);
            }
        }
    }

    private static void CheckLength(DType dtype, int bytes, int elements)
    {
        if (!dtype.IsMergeable())
        {
            throw new ArgumentException($"{dtype.FileName()} elements are not single real numbers", nameof(dtype));
        }

        if (bytes != (long)elements * dtype.Bytes())
        {
            throw new ArgumentException($"{elements} elements of {dtype.FileName()} are {(long)elements * dtype.Bytes()} bytes, not {bytes}");
        }
    }
}

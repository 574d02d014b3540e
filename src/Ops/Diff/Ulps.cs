using System.Numerics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Diff;

/// <summary>Distances counted in representable values. The patterns of a floating-point type are ordered like their values, once the sign is taken apart.</summary>
internal static class Ulps
{
    /// <summary>The number of steps between two patterns of one type; both zeros are one value. NaN has no place: the caller leaves it out.</summary>
    public static ulong Distance<T>(T a, T b)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        T x = Ordinals<T>.Of(a), y = Ordinals<T>.Of(b);
        ulong steps = ulong.CreateTruncating(x > y ? x - y : y - x);
        // Ordinals step from one zero to the other.
        return T.LeadingZeroCount(a ^ b) == T.Zero ? steps - 1 : steps;
    }

    /// <summary>The number of steps between two values that a type holds exactly.</summary>
    public static ulong Distance(DType dtype, double a, double b)
    {
        Span<byte> bytes = stackalloc byte[2 * sizeof(ulong)];
        FloatConvert.FromDoubles(dtype, [a], bytes[..dtype.Bytes()]);
        FloatConvert.FromDoubles(dtype, [b], bytes.Slice(sizeof(ulong), dtype.Bytes()));
        return Distance(dtype.Bytes(), bytes, bytes[sizeof(ulong)..]);
    }

    /// <summary>The largest distance between elements of two runs of a type; null where the type has no real numbers, or a NaN is not the same in both.</summary>
    public static ulong? Largest(DType dtype, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        if (!dtype.IsMergeable()) return null;
        int size = dtype.Bytes();
        ulong largest = 0;
        Span<double> one = stackalloc double[1], other = stackalloc double[1];
        for (int at = 0; at < a.Length; at += size)
        {
            ReadOnlySpan<byte> x = a.Slice(at, size), y = b.Slice(at, size);
            if (x.SequenceEqual(y)) continue;
            FloatConvert.ToDoubles(dtype, x, one);
            FloatConvert.ToDoubles(dtype, y, other);
            if (double.IsNaN(one[0]) || double.IsNaN(other[0])) return null;
            largest = Math.Max(largest, Distance(size, x, y));
        }

        return largest;
    }

    /// <summary>The distance between a value of a type and the next one away from zero.</summary>
    public static double Size(DType dtype, double value)
    {
        (int mantissa, int lowest) = dtype switch
        {
            DType.BF16 => (7, -126),
            DType.F16 => (10, -14),
            DType.F32 => (23, -126),
            DType.F64 => (52, -1022),
            DType.F8E5M2 => (2, -14),
            DType.F8E4M3 => (3, -6),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "a type without units in the last place"),
        };
        return Math.ScaleB(1, (value == 0 ? lowest : Math.Max(Math.ILogB(value), lowest)) - mantissa);
    }

    private static ulong Distance(int size, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => size switch
    {
        1 => Distance(a[0], b[0]),
        2 => Distance(MemoryMarshal.Read<ushort>(a), MemoryMarshal.Read<ushort>(b)),
        4 => Distance(MemoryMarshal.Read<uint>(a), MemoryMarshal.Read<uint>(b)),
        _ => Distance(MemoryMarshal.Read<ulong>(a), MemoryMarshal.Read<ulong>(b)),
    };
}

using System.Numerics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Diff;

/// <summary>Distances counted in representable values. The patterns of a floating-point type are ordered like their values, once the sign is taken apart.</summary>
internal static class Ulps
{
    /// <summary>The number of steps between two patterns of one type; both zeros are one value. NaN has no place: the caller leaves it out.</summary>
    public static ulong Distance<T>(T a, T b)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        long x = Ordinal(a), y = Ordinal(b);
        return x > y ? unchecked((ulong)x - (ulong)y) : unchecked((ulong)y - (ulong)x);
    }

    /// <summary>The number of steps between two values that a type holds exactly.</summary>
    public static ulong Distance(DType dtype, double a, double b)
    {
        Span<byte> bytes = stackalloc byte[2 * sizeof(ulong)];
        FloatConvert.FromDoubles(dtype, [a], bytes[..dtype.Bytes()]);
        FloatConvert.FromDoubles(dtype, [b], bytes.Slice(sizeof(ulong), dtype.Bytes()));
        return dtype.Bytes() switch
        {
            1 => Distance(bytes[0], bytes[sizeof(ulong)]),
            2 => Distance(MemoryMarshal.Read<ushort>(bytes), MemoryMarshal.Read<ushort>(bytes[sizeof(ulong)..])),
            4 => Distance(MemoryMarshal.Read<uint>(bytes), MemoryMarshal.Read<uint>(bytes[sizeof(ulong)..])),
            _ => Distance(MemoryMarshal.Read<ulong>(bytes), MemoryMarshal.Read<ulong>(bytes[sizeof(ulong)..])),
        };
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

    private static long Ordinal<T>(T pattern)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        ulong bits = ulong.CreateTruncating(pattern);
        ulong sign = 1UL << ((8 * pattern.GetByteCount()) - 1);
        return (bits & sign) == 0 ? (long)bits : -(long)(bits & ~sign);
    }
}

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Verify;

/// <summary>
/// NaN and infinity, looked for in the bits: in every floating-point type they are the values whose masked bits equal one pattern.
/// </summary>
internal static class NonFinite
{
    /// <summary>Whether the type has such values at all. Integers, booleans and the 4- and 6-bit floats have none.</summary>
    public static bool Exists(DType dtype) => Size(dtype) != 0;

    /// <summary>Bytes that are tested together: those of one real number (half an element of a complex type); 0 where there is nothing to find.</summary>
    public static int Size(DType dtype) => dtype switch
    {
        DType.F64 => 8,
        DType.F32 or DType.C64 => 4,
        DType.F16 or DType.BF16 => 2,
        DType.F8E5M2 or DType.F8E4M3 or DType.F8E8M0 or DType.F8E4M3Fnuz or DType.F8E5M2Fnuz => 1,
        _ => 0,
    };

    /// <summary>Counts them in little-endian bytes.</summary>
    /// <param name="dtype">A type for which <see cref="Exists"/> holds.</param>
    /// <param name="bytes">Whole numbers of <see cref="Size"/> bytes.</param>
    /// <param name="first">Where the first one is, in numbers; −1 if there is none.</param>
    public static long Count(DType dtype, ReadOnlySpan<byte> bytes, out int first) => dtype switch
    {
        DType.F64 => Count<ulong>(Cast<ulong>(bytes), 0x7FF0_0000_0000_0000, 0x7FF0_0000_0000_0000, out first),
        DType.F32 or DType.C64 => Count<uint>(Cast<uint>(bytes), 0x7F80_0000, 0x7F80_0000, out first),
        DType.F16 => Count<ushort>(Cast<ushort>(bytes), 0x7C00, 0x7C00, out first),
        DType.BF16 => Count<ushort>(Cast<ushort>(bytes), 0x7F80, 0x7F80, out first),
        DType.F8E5M2 => Count<byte>(bytes, 0x7C, 0x7C, out first),
        DType.F8E4M3 => Count<byte>(bytes, 0x7F, 0x7F, out first),
        DType.F8E8M0 => Count<byte>(bytes, 0xFF, 0xFF, out first),
        DType.F8E4M3Fnuz or DType.F8E5M2Fnuz => Count<byte>(bytes, 0xFF, 0x80, out first),
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "a type without NaN"),
    };

    private static ReadOnlySpan<T> Cast<T>(ReadOnlySpan<byte> bytes)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(bytes);

    // Compiled at full speed at once: the first call is often the only one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Count<T>(ReadOnlySpan<T> bits, T mask, T pattern, out int first)
        where T : unmanaged, IBinaryInteger<T>
    {
        first = -1;
        long count = 0;
        int lanes = Vector<T>.Count;
        Vector<T> masks = new(mask);
        Vector<T> patterns = new(pattern);
        int i = 0;
        for (; i <= bits.Length - lanes; i += lanes)
        {
            if (Vector.EqualsAny(new Vector<T>(bits[i..]) & masks, patterns))
            {
                count += CountSingly(bits.Slice(i, lanes), mask, pattern, i, ref first);
            }
        }

        return count + CountSingly(bits[i..], mask, pattern, i, ref first);
    }

    private static long CountSingly<T>(ReadOnlySpan<T> bits, T mask, T pattern, int start, ref int first)
        where T : unmanaged, IBinaryInteger<T>
    {
        long count = 0;
        for (int i = 0; i < bits.Length; i++)
        {
            if ((bits[i] & mask) != pattern) continue;
            if (first < 0) first = start + i;
            count++;
        }

        return count;
    }
}

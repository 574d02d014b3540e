using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LoraKit.Ops.Undo;

/// <summary>Where two runs of elements have the same bits, as bit masks of 64 elements: what differs is rare or everywhere, and either is found without a branch for each.</summary>
internal static class EqualElements
{
    /// <summary>Elements of a mask.</summary>
    public const int Lanes = 64;

    /// <summary>Bit i is set where element <paramref name="start"/> + i is the same in both; bits of elements past the end are clear.</summary>
    /// <param name="one">Elements.</param>
    /// <param name="other">As many.</param>
    /// <param name="start">The first element wanted.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mask<T>(ReadOnlySpan<T> one, ReadOnlySpan<T> other, int start)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (one.Length - start < Lanes || other.Length - start < Lanes) return LastMask(one[start..], other[start..]);
        ref T first = ref Unsafe.Add(ref MemoryMarshal.GetReference(one), start);
        ref T second = ref Unsafe.Add(ref MemoryMarshal.GetReference(other), start);
        ulong mask = 0;
        for (int i = 0; i < Lanes; i += Vector256<T>.Count)
        {
            Vector256<T> equal = Vector256.Equals(Vector256.LoadUnsafe(ref first, (nuint)i), Vector256.LoadUnsafe(ref second, (nuint)i));
            mask |= (ulong)equal.ExtractMostSignificantBits() << i;
        }

        return mask;
    }

    /// <summary>The mask of all elements from a start on, at most 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong All(int length, int start) => length - start >= Lanes ? ulong.MaxValue : (1ul << (length - start)) - 1;

    /// <summary>How many elements differ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long CountDifferent<T>(ReadOnlySpan<T> one, ReadOnlySpan<T> other)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        long equal = 0;
        for (int i = 0; i < one.Length; i += Lanes)
        {
            equal += BitOperations.PopCount(Mask(one, other, i));
        }

        return one.Length - equal;
    }

    private static ulong LastMask<T>(ReadOnlySpan<T> one, ReadOnlySpan<T> other)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        ulong mask = 0;
        for (int i = 0; i < one.Length; i++)
        {
            if (one[i] == other[i]) mask |= 1ul << i;
        }

        return mask;
    }
}

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LoraKit.Ops.Undo;

/// <summary>
/// Bit patterns numbered in the order of the floating-point values they stand for: neighbours differ by one, across zero too. A bijection
/// of all patterns, so differences modulo 2ⁿ restore NaNs and negative zeros to the bit. Signs are random, so nothing branches on them.
/// </summary>
internal static class Ordinals<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    /// <summary>Bits of a pattern.</summary>
    public static int Bits
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Unsafe.SizeOf<T>() * 8;
    }

    private static T Sign
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.One << (Bits - 1);
    }

    /// <summary>The number of a pattern.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of(T pattern) => pattern ^ (Sign | unchecked(T.Zero - (pattern >>> (Bits - 1))));

    /// <summary>The pattern of a number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Pattern(T ordinal) => ordinal ^ (Sign | unchecked((ordinal >>> (Bits - 1)) - T.One));

    /// <summary>How far an original lies above (or below) a prediction: a magnitude of at most 2ⁿ⁻¹.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (ulong Magnitude, bool Below) Distance(T original, T predicted)
    {
        T difference = unchecked(Of(original) - Of(predicted)), below = difference >>> (Bits - 1);
        T magnitude = unchecked((difference ^ (T.Zero - below)) + below);
        return (ulong.CreateTruncating(magnitude), below != T.Zero);
    }

    /// <summary>The pattern that lies so far above (or below) another, modulo 2ⁿ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Moved(T predicted, ulong magnitude, bool below)
    {
        T step = T.CreateTruncating(magnitude);
        return Pattern(unchecked(below ? Of(predicted) - step : Of(predicted) + step));
    }

    /// <summary>The next pattern above (or below) each of many.</summary>
    /// <param name="patterns">Patterns.</param>
    /// <param name="neighbours">As many.</param>
    /// <param name="below">Which way.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Neighbours(ReadOnlySpan<T> patterns, Span<T> neighbours, bool below)
    {
        Vector<T> sign = new(Sign), step = new(below ? unchecked(T.Zero - T.One) : T.One);
        int i = 0;
        for (; i <= patterns.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            Vector<T> pattern = Vector.LoadUnsafe(in MemoryMarshal.GetReference(patterns), (nuint)i);
            Vector<T> ordinal = (pattern ^ (Vector.GreaterThanOrEqual(pattern, sign) | sign)) + step;
            (ordinal ^ (Vector.LessThan(ordinal, sign) | sign)).StoreUnsafe(ref MemoryMarshal.GetReference(neighbours), (nuint)i);
        }

        for (; i < patterns.Length; i++)
        {
            neighbours[i] = Moved(patterns[i], 1, below);
        }
    }
}

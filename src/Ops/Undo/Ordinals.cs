using System.Numerics;

namespace LoraKit.Ops.Undo;

/// <summary>
/// Bit patterns numbered in the order of the floating-point values they stand for: neighbours differ by one, across zero too. A bijection
/// of all patterns, so differences modulo 2ⁿ restore NaNs and negative zeros to the bit.
/// </summary>
internal static class Ordinals<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    /// <summary>Bits of a pattern.</summary>
    public static int Bits { get; } = System.Runtime.CompilerServices.Unsafe.SizeOf<T>() * 8;

    private static T Sign { get; } = T.One << (Bits - 1);

    /// <summary>The number of a pattern.</summary>
    public static T Of(T pattern) => (pattern & Sign) == T.Zero ? pattern | Sign : ~pattern;

    /// <summary>The pattern of a number.</summary>
    public static T Pattern(T ordinal) => (ordinal & Sign) == T.Zero ? ~ordinal : ordinal ^ Sign;

    /// <summary>How far an original lies above (or below) a prediction: a magnitude of at most 2ⁿ⁻¹.</summary>
    public static (ulong Magnitude, bool Below) Distance(T original, T predicted)
    {
        T difference = unchecked(Of(original) - Of(predicted));
        bool below = (difference & Sign) != T.Zero;
        return (ulong.CreateTruncating(below ? unchecked(T.Zero - difference) : difference), below);
    }

    /// <summary>The pattern that lies so far above (or below) another, modulo 2ⁿ.</summary>
    public static T Moved(T predicted, ulong magnitude, bool below)
    {
        T step = T.CreateTruncating(magnitude);
        return Pattern(unchecked(below ? Of(predicted) - step : Of(predicted) + step));
    }
}

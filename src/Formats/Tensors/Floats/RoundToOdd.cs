using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>
/// Rounding that keeps what the next rounding needs: an inexact value becomes the neighbour whose last bit is one. Rounded once more,
/// to nearest in a type at least two bits narrower, the result is that of rounding the exact value once.
/// </summary>
/// <remarks>Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008.</remarks>
internal static class RoundToOdd
{
    /// <summary>A double as a single.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Narrow(double value)
    {
        float nearest = (float)value;
        uint bits = BitConverter.SingleToUInt32Bits(nearest);
        double reached = Math.Abs((double)nearest);
        double wanted = Math.Abs(value);
        if ((bits & 1) == 0)
        {
            if (reached < wanted) bits++;
            else if (reached > wanted) bits--;
        }

        return BitConverter.UInt32BitsToSingle(bits);
    }

    /// <summary>Eight doubles as singles, without a branch: the last bit of the nearest is as good as random.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Narrow(Vector256<double> lower, Vector256<double> upper)
    {
        Vector256<float> nearest = Vector256.Narrow(lower, upper);
        (Vector256<double> reachedLower, Vector256<double> reachedUpper) = Vector256.Widen(Vector256.Abs(nearest));
        (lower, upper) = (Vector256.Abs(lower), Vector256.Abs(upper));
        Vector256<uint> isShort = Masks(Vector256.LessThan(reachedLower, lower), Vector256.LessThan(reachedUpper, upper));
        Vector256<uint> isLong = Masks(Vector256.GreaterThan(reachedLower, lower), Vector256.GreaterThan(reachedUpper, upper));
        Vector256<uint> bits = nearest.AsUInt32(), one = Vector256<uint>.One;
        Vector256<uint> even = Vector256.AndNot(one, bits);
        return (bits + (even & isShort) - (even & isLong)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Masks(Vector256<double> lower, Vector256<double> upper) => Vector256.Narrow(lower.AsUInt64(), upper.AsUInt64());

    /// <summary>left + right of doubles.</summary>
    public static double Sum(double left, double right)
    {
        double sum = left + right;
        double rightPart = sum - left;
        double error = (left - (sum - rightPart)) + (right - rightPart);
        ulong bits = BitConverter.DoubleToUInt64Bits(sum);
        if ((bits & 1) == 0)
        {
            if (error > 0) bits += sum > 0 ? 1ul : ulong.MaxValue;
            else if (error < 0) bits += sum < 0 ? 1ul : ulong.MaxValue;
        }

        return BitConverter.UInt64BitsToDouble(bits);
    }

    /// <summary>left + right of singles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSingles Sum<TLanes, TSingles, TBits>(TSingles left, TSingles right)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TSingles sum = TLanes.Add(left, right);
        TSingles rightPart = TLanes.Subtract(sum, left);
        TSingles error = TLanes.Add(TLanes.Subtract(left, TLanes.Subtract(sum, rightPart)), TLanes.Subtract(right, rightPart));

        // An error away from zero asks for the next magnitude, one towards zero for the one before. Where the sum overflowed, the
        // error is NaN and nothing is done.
        TBits bits = TLanes.AsBits(sum);
        TBits zero = TLanes.Create(0u);
        TBits one = TLanes.Create(1u);
        TBits isEven = TLanes.Equal(TLanes.And(bits, one), zero);
        TSingles none = TLanes.Create(0f);
        TBits isUp = TLanes.GreaterThan(error, none);
        TBits isDown = TLanes.GreaterThan(none, error);
        TBits isNegative = TLanes.GreaterThan(none, sum);
        TBits away = TLanes.Select(isNegative, isDown, isUp);
        TBits towards = TLanes.Select(isNegative, isUp, isDown);
        bits = TLanes.Add(bits, TLanes.And(TLanes.And(isEven, away), one));
        bits = TLanes.Subtract(bits, TLanes.And(TLanes.And(isEven, towards), one));
        return TLanes.AsSingles(bits);
    }
}

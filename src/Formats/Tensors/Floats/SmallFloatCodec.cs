using System.Runtime.CompilerServices;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>F16 and the 8-bit floats, by shifting the fields of a single.</summary>
internal readonly unsafe struct SmallFloatCodec<TFormat> : IFloatCodec
    where TFormat : ISmallFloat
{
    public static int Size => TFormat.Size;

    /// <summary>How many bits of a single's mantissa the format lacks.</summary>
    private static int Shift => SingleBits.MantissaBits - TFormat.MantissaBits;

    /// <summary>The difference of the exponent biases, in the exponent's place.</summary>
    private static uint Rebias => (uint)(SingleBits.ExponentBias - TFormat.ExponentBias) << SingleBits.MantissaBits;

    /// <summary>The smallest normal number, as a single's bits.</summary>
    private static uint SmallestNormal => Rebias + (1u << SingleBits.MantissaBits);

    private static int SignBit => (TFormat.Size * 8) - 1;

    /// <summary>The format's smallest step is this power of two.</summary>
    private static int StepExponent => 1 - TFormat.ExponentBias - TFormat.MantissaBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSingles Decode<TLanes, TSingles, TBits>(byte* source)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits stored = TFormat.Size == 1 ? TLanes.LoadBytes(source) : TLanes.LoadWords(source);
        TBits magnitude = TLanes.And(stored, TLanes.Create((1u << SignBit) - 1));
        TBits sign = TLanes.ShiftLeft(TLanes.And(stored, TLanes.Create(1u << SignBit)), 31 - SignBit);

        TBits normal = TLanes.Add(TLanes.ShiftLeft(magnitude, Shift), TLanes.Create(Rebias));
        TBits special = TFormat.HasInfinity ? TLanes.Add(normal, TLanes.Create(Rebias)) : TLanes.Create(SingleBits.NaN);
        TBits isSpecial = TLanes.GreaterThan(magnitude, TLanes.Create(TFormat.Overflow - 1));

        // A subnormal is its mantissa times the smallest step.
        uint step = (uint)(StepExponent + SingleBits.ExponentBias) << SingleBits.MantissaBits;
        TBits subnormal = TLanes.AsBits(TLanes.Multiply(TLanes.ConvertToSingles(magnitude), TLanes.AsSingles(TLanes.Create(step))));
        TBits isSubnormal = TLanes.GreaterThan(TLanes.Create(1u << TFormat.MantissaBits), magnitude);

        TBits value = TLanes.Select(isSubnormal, subnormal, TLanes.Select(isSpecial, special, normal));
        return TLanes.AsSingles(TLanes.Or(sign, value));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Encode<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits bits = TLanes.AsBits(values);
        TBits magnitude = TLanes.And(bits, TLanes.Create(SingleBits.Magnitude));
        TBits sign = TLanes.And(TLanes.ShiftRight(bits, 31 - SignBit), TLanes.Create(1u << SignBit));

        // Half an ulp, less one where the kept part is even. Too large a value is first lowered to the one that overflows exactly.
        TBits capped = TLanes.Min(magnitude, TLanes.Create((TFormat.Overflow << Shift) + Rebias));
        TBits odd = TLanes.And(TLanes.ShiftRight(capped, Shift), TLanes.Create(1u));
        TBits normal = TLanes.ShiftRight(
            TLanes.Add(TLanes.Add(capped, odd), TLanes.Create((1u << (Shift - 1)) - 1 - Rebias)), Shift);

        // Added to a number whose ulp is the smallest step, the adder itself rounds a subnormal.
        TBits anchor = TLanes.Create((uint)(StepExponent + SingleBits.MantissaBits + SingleBits.ExponentBias) << SingleBits.MantissaBits);
        TBits subnormal = TLanes.Subtract(TLanes.AsBits(TLanes.Add(TLanes.AsSingles(magnitude), TLanes.AsSingles(anchor))), anchor);
        TBits isSubnormal = TLanes.GreaterThan(TLanes.Create(SmallestNormal), magnitude);

        TBits signed = TLanes.Or(sign, TLanes.Select(isSubnormal, subnormal, normal));
        TBits stored = TLanes.Select(TLanes.IsNaN(values), TLanes.Create(TFormat.NaN), signed);
        Store<TLanes, TSingles, TBits>(stored, destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryEncodeCommon<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits bits = TLanes.AsBits(values);
        TBits magnitude = TLanes.And(bits, TLanes.Create(SingleBits.Magnitude));

        // From the smallest normal number up to what no rounding takes to overflow, compared as if unsigned.
        uint range = (TFormat.Overflow << Shift) - (1u << Shift) - (1u << SingleBits.MantissaBits);
        TBits above = TLanes.Add(magnitude, TLanes.Create(SingleBits.Sign - SmallestNormal));
        TBits isOutside = TLanes.GreaterThan(above, TLanes.Create(SingleBits.Sign + range));

        TBits rounded = TLanes.Add(magnitude, TLanes.Create((1u << (Shift - 1)) - Rebias));
        TBits isTie = TLanes.Equal(TLanes.And(rounded, TLanes.Create((1u << Shift) - 1)), TLanes.Create(0u));
        if (TLanes.Any(isTie) || TLanes.Any(isOutside)) return false;
        TBits sign = TLanes.And(TLanes.ShiftRight(bits, 31 - SignBit), TLanes.Create(1u << SignBit));
        Store<TLanes, TSingles, TBits>(TLanes.Or(sign, TLanes.ShiftRight(rounded, Shift)), destination);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLanes, TSingles, TBits>(TBits stored, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        if (TFormat.Size == 1)
        {
            TLanes.StoreBytes(stored, destination);
        }
        else
        {
            TLanes.StoreWords(stored, destination);
        }
    }
}

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>What tells the binary formats with an exponent narrower than a single's apart.</summary>
internal interface ISmallFloat
{
    /// <summary>Bytes per element.</summary>
    static abstract int Size { get; }

    /// <summary>Stored bits of the mantissa.</summary>
    static abstract int MantissaBits { get; }

    /// <summary>What is subtracted from the stored exponent.</summary>
    static abstract int ExponentBias { get; }

    /// <summary>Whether the highest exponent is kept for infinities and NaN; otherwise only the very highest pattern is a NaN.</summary>
    static abstract bool HasInfinity { get; }

    /// <summary>The quiet NaN.</summary>
    static abstract uint NaN { get; }

    /// <summary>The magnitude pattern that stands for too large a value: infinity, or NaN without it.</summary>
    static abstract uint Overflow { get; }
}

/// <summary>IEEE half precision.</summary>
internal readonly struct Float16 : ISmallFloat
{
    public static int Size => 2;

    public static int MantissaBits => 10;

    public static int ExponentBias => 15;

    public static bool HasInfinity => true;

    public static uint NaN => 0x7E00;

    public static uint Overflow => 0x7C00;
}

/// <summary>F8_E5M2: the upper half of a half.</summary>
internal readonly struct Float8E5M2 : ISmallFloat
{
    public static int Size => 1;

    public static int MantissaBits => 2;

    public static int ExponentBias => 15;

    public static bool HasInfinity => true;

    public static uint NaN => 0x7F;

    public static uint Overflow => 0x7C;
}

/// <summary>F8_E4M3 ("fn"): the highest exponent holds numbers up to 448, and one NaN.</summary>
internal readonly struct Float8E4M3 : ISmallFloat
{
    public static int Size => 1;

    public static int MantissaBits => 3;

    public static int ExponentBias => 7;

    public static bool HasInfinity => false;

    public static uint NaN => 0x7F;

    public static uint Overflow => 0x7F;
}

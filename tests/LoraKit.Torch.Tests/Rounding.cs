using LoraKit.Formats.Tensors;

namespace LoraKit.Torch.Tests;

/// <summary>Stored elements by the definition of their formats, in doubles: the slow and independent way.</summary>
internal static class Rounding
{
    /// <summary>The nearest value of a type, ties to even.</summary>
    public static double Round(double value, DType type)
    {
        (int fraction, int minExponent, int maxExponent) = type switch
        {
            DType.F16 => (10, -14, 15),
            DType.BF16 => (7, -126, 127),
            DType.F32 => (23, -126, 127),
            DType.F64 => (52, -1022, 1023),
            DType.F8E4M3 => (3, -6, 8),
            DType.F8E5M2 => (2, -14, 15),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
        if (type == DType.F64 || value == 0 || !double.IsFinite(value)) return value;
        double spacing = Math.ScaleB(1, Math.Max(Math.ILogB(value), minExponent) - fraction);
        double rounded = Math.Round(value / spacing, MidpointRounding.ToEven) * spacing;
        return Math.ILogB(rounded) > maxExponent ? double.CopySign(double.PositiveInfinity, value) : rounded;
    }

    /// <summary>A stored element's value.</summary>
    public static double Value(ReadOnlySpan<byte> bytes, DType type) => type switch
    {
        DType.F16 => (double)BitConverter.ToHalf(bytes),
        DType.BF16 => BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(bytes) << 16),
        DType.F32 => BitConverter.ToSingle(bytes),
        DType.F64 => BitConverter.ToDouble(bytes),
        DType.F8E5M2 => (double)BitConverter.UInt16BitsToHalf((ushort)(bytes[0] << 8)),
        DType.F8E4M3 => Small(bytes[0]),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static double Small(byte bits)
    {
        int exponent = (bits >> 3) & 15;
        int fraction = bits & 7;
        if (exponent == 15 && fraction == 7) return double.NaN;
        double magnitude = exponent == 0 ? Math.ScaleB(fraction, -9) : Math.ScaleB(8 + fraction, exponent - 10);
        return bits >= 128 ? -magnitude : magnitude;
    }
}

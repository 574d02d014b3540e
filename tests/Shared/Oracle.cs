using System.Numerics;

namespace LoraKit.Tests;

/// <summary>What results are measured against: written from the definitions, slow, sharing nothing with the library.</summary>
internal static class Oracle
{
    /// <summary>A stored floating-point type, by its definition.</summary>
    /// <param name="Name">As safetensors spells it.</param>
    /// <param name="Bits">Bits of an element.</param>
    /// <param name="MantissaBits">Stored bits of the mantissa.</param>
    /// <param name="Bias">Of the exponent.</param>
    /// <param name="IsIeee">The highest exponent is infinity and NaN; otherwise only the highest pattern is NaN.</param>
    public sealed record Format(string Name, int Bits, int MantissaBits, int Bias, bool IsIeee)
    {
        public static readonly Format F16 = new("F16", 16, 10, 15, true);
        public static readonly Format BF16 = new("BF16", 16, 7, 127, true);
        public static readonly Format F8E4M3 = new("F8_E4M3", 8, 3, 7, false);
        public static readonly Format F8E5M2 = new("F8_E5M2", 8, 2, 15, true);
        public static readonly Format F32 = new("F32", 32, 23, 127, true);
        public static readonly Format F64 = new("F64", 64, 52, 1023, true);

        public int ExponentBits => Bits - 1 - MantissaBits;

        public ulong SignMask => 1ul << (Bits - 1);

        /// <summary>The magnitude that too large a value becomes: infinity, or NaN where there is none.</summary>
        public ulong Overflow => IsIeee ? ((1ul << ExponentBits) - 1) << MantissaBits : SignMask - 1;
    }

    /// <summary>The value of a pattern. Exact, for a double holds every value of every format here.</summary>
    public static double Decode(Format format, ulong pattern)
    {
        ulong magnitude = pattern & (format.SignMask - 1);
        double sign = (pattern & format.SignMask) == 0 ? 1 : -1;
        if (magnitude >= format.Overflow) return format.IsIeee && magnitude == format.Overflow ? sign * double.PositiveInfinity : double.NaN;
        int exponent = (int)(magnitude >> format.MantissaBits);
        double fraction = (magnitude & ((1ul << format.MantissaBits) - 1)) / Math.Pow(2, format.MantissaBits);
        return exponent == 0
            ? sign * fraction * Math.ScaleB(1, 1 - format.Bias)
            : sign * Math.ScaleB(1 + fraction, exponent - format.Bias);
    }

    /// <summary>The nearest pattern of a value, ties to even, by comparing exact whole numbers; null for NaN.</summary>
    public static ulong? Encode(Format format, double value) => double.IsNaN(value) ? null : EncodeSum(format, value, -0.0);

    /// <summary>The nearest pattern of the exact sum of two values, ties to even; null for NaN.</summary>
    public static ulong? EncodeSum(Format format, double left, double right)
    {
        double rounded = left + right;
        if (double.IsNaN(rounded)) return null;
        ulong negative = double.IsNegative(rounded) ? format.SignMask : 0;
        if (double.IsInfinity(left) || double.IsInfinity(right)) return negative | format.Overflow;
        BigInteger exact = BigInteger.Abs(Fixed(left) + Fixed(right));

        // Patterns of one sign are ordered like their values: the largest at or below the value is found by halving.
        ulong below = 0;
        ulong above = format.Overflow;
        while (above - below > 1)
        {
            ulong middle = below + ((above - below) / 2);
            if (Magnitude(format, middle) <= exact) below = middle;
            else above = middle;
        }

        BigInteger low = exact - Magnitude(format, below);
        BigInteger high = Magnitude(format, below + 1) - exact;
        bool up = low > high || (low == high && below % 2 == 1);
        return negative | (up ? below + 1 : below);
    }

    /// <summary>All that rounds to a pattern lies between the two ends, which are themselves ties (or, in F64, one ulp away).</summary>
    public static (double Low, double High) RoundingInterval(Format format, ulong pattern)
    {
        ulong magnitude = pattern & (format.SignMask - 1);
        double low = magnitude == 0 ? -Above(format, 0) : Above(format, magnitude - 1);
        double high = magnitude == format.Overflow ? double.PositiveInfinity : Above(format, magnitude);
        return (pattern & format.SignMask) == 0 ? (low, high) : (-high, -low);
    }

    /// <summary>Left·Right + source, each element a sum of doubles: [rows, columns], all row-major.</summary>
    /// <returns>The values, and Σ|terms| of the product, which bounds what rounding can do to it.</returns>
    public static (double[] Values, double[] Magnitudes) AddProduct(
        double[] source, double[] left, double[] right, int rows, int columns, int rank)
    {
        double[] values = new double[rows * columns];
        double[] magnitudes = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                // An empty sum changes nothing, not even the sign of a zero.
                double sum = -0.0;
                double magnitude = 0;
                for (int k = 0; k < rank; k++)
                {
                    double term = left[(i * rank) + k] * right[(k * columns) + j];
                    sum += term;
                    magnitude += Math.Abs(term);
                }

                values[(i * columns) + j] = source[(i * columns) + j] + sum;
                magnitudes[(i * columns) + j] = magnitude;
            }
        }

        return (values, magnitudes);
    }

    /// <summary>The tie above a positive number.</summary>
    private static double Above(Format format, ulong pattern)
    {
        double value = Decode(format, pattern);
        double step = pattern + 1 < format.Overflow
            ? Decode(format, pattern + 1) - value
            : value - Decode(format, pattern - 1);
        return value + (format.Bits == 64 ? step : step / 2);
    }

    /// <summary>A pattern's magnitude, the overflow pattern being the number that would come next.</summary>
    private static BigInteger Magnitude(Format format, ulong pattern)
    {
        int exponent = (int)(pattern >> format.MantissaBits);
        BigInteger mantissa = pattern & ((1ul << format.MantissaBits) - 1);
        if (exponent > 0) mantissa += BigInteger.One << format.MantissaBits;
        return mantissa << (FixedPoint + Math.Max(exponent, 1) - format.Bias - format.MantissaBits);
    }

    private const int FixedPoint = 1100;

    /// <summary>A finite double times 2^1100: a whole number.</summary>
    private static BigInteger Fixed(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger mantissa = bits & ((1L << 52) - 1);
        if (exponent > 0) mantissa += BigInteger.One << 52;
        BigInteger magnitude = mantissa << (FixedPoint + Math.Max(exponent, 1) - 1075);
        return bits < 0 ? -magnitude : magnitude;
    }
}

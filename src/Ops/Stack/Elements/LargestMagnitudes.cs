namespace LoraKit.Ops.Stack.Elements;

/// <summary>
/// The n values of largest magnitude; of equal ones those that come first. Ask once for every value, in order.
/// </summary>
internal struct LargestMagnitudes
{
    private const int DigitBits = 16;
    private readonly ulong _threshold;
    private long _equal;

    /// <param name="values">Finite.</param>
    /// <param name="count">How many; at most all.</param>
    public LargestMagnitudes(ReadOnlySpan<double> values, long count)
    {
        // Magnitudes are ordered as their bit patterns: the n-th is found digit by digit, by counting.
        long remaining = count;
        ulong found = 0;
        long[] counts = new long[1 << DigitBits];
        for (int shift = 64 - DigitBits; shift >= 0; shift -= DigitBits)
        {
            Array.Clear(counts);
            foreach (double value in values)
            {
                ulong bits = Bits(value);
                if (shift + DigitBits == 64 || bits >> (shift + DigitBits) == found >> (shift + DigitBits)) counts[(bits >> shift) & 0xFFFF]++;
            }

            int digit = counts.Length - 1;
            while (digit > 0 && counts[digit] < remaining) remaining -= counts[digit--];
            found |= (ulong)digit << shift;
        }

        _threshold = found;
        _equal = remaining;
    }

    /// <summary>Sets all but the largest to zero.</summary>
    public static void Keep(Span<double> values, long count)
    {
        LargestMagnitudes largest = new(values, count);
        foreach (ref double value in values)
        {
            if (!largest.Includes(value)) value = 0;
        }
    }

    /// <summary>How many elements a fraction of them is: rounded down, as PEFT and mergekit do, but at least one.</summary>
    public static long CountOf(double fraction, int elements) => Math.Max(1, (long)(fraction * elements));

    /// <summary>Whether the next value is one of them.</summary>
    public bool Includes(double value)
    {
        ulong bits = Bits(value);
        return bits > _threshold || (bits == _threshold && _equal-- > 0);
    }

    private static ulong Bits(double value) => BitConverter.DoubleToUInt64Bits(Math.Abs(value));
}

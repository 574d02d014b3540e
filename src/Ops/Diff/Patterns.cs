namespace LoraKit.Ops.Diff;

/// <summary>Elements compared by their bits: those of types whose values are not single real numbers, packed ones too.</summary>
internal static class Patterns
{
    public static long CountDiffering(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, int bits, long count)
    {
        int same = a.CommonPrefixLength(b);
        if (same == a.Length) return 0;
        long differing = 0;
        for (long i = same * 8L / bits; i < count; i++)
        {
            if (Differ(a, b, i * bits, bits)) differing++;
        }

        return differing;
    }

    private static bool Differ(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, long firstBit, int bits)
    {
        for (long bit = firstBit; bit < firstBit + bits;)
        {
            int at = (int)(bit / 8), from = (int)(bit % 8);
            int take = (int)Math.Min(8 - from, firstBit + bits - bit);
            int mask = ((1 << take) - 1) << from;
            if (((a[at] ^ b[at]) & mask) != 0) return true;
            bit += take;
        }

        return false;
    }
}

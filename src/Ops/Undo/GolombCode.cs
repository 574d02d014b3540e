using System.Numerics;
using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Undo;

/// <summary>The two codes of numbers: Golomb–Rice for gaps, which are spread geometrically, Exp-Golomb for magnitudes, whose tail is long.</summary>
internal static class GolombCode
{
    /// <summary>The largest parameter of either.</summary>
    public const int MaxParameter = 63;

    /// <summary>Rice: value / 2ᵏ in unary, the lowest k bits.</summary>
    public static void WriteRice(ref BitWriter bits, uint value, int k)
    {
        bits.WriteUnary((int)(value >> k));
        bits.Write(value, k);
    }

    public static long RiceLength(uint value, int k) => (value >> k) + 1 + k;

    /// <summary>A Rice code below a limit; null for any other and for broken bits.</summary>
    public static uint? ReadRice(ref BitReader bits, int k, uint limit)
    {
        if (bits.ReadUnary((int)(limit >> k)) is not { } high) return null;
        ulong value = ((ulong)high << k) | bits.Read(k);
        return value < limit && !bits.IsOverrun ? (uint)value : null;
    }

    /// <summary>Exp-Golomb: the length of value / 2ᵏ + 1 in unary, that number without its first bit, the lowest k bits of the value.</summary>
    public static void WriteExponential(ref BitWriter bits, ulong value, int k)
    {
        ulong high = (value >> k) + 1;
        int length = BitOperations.Log2(high);
        bits.WriteUnary(length);
        bits.Write(high, length);
        bits.Write(value, k);
    }

    public static int ExponentialLength(ulong value, int k) => (2 * BitOperations.Log2((value >> k) + 1)) + 1 + k;

    /// <summary>An Exp-Golomb code of at most a limit; null for any other and for broken bits.</summary>
    public static ulong? ReadExponential(ref BitReader bits, int k, ulong limit)
    {
        if (bits.ReadUnary(BitOperations.Log2((limit >> k) + 1)) is not { } length) return null;
        ulong high = (1ul << length) + bits.Read(length) - 1;
        if (high > limit >> k) return null;
        ulong value = (high << k) | bits.Read(k);
        return value <= limit && !bits.IsOverrun ? value : null;
    }

    /// <summary>One correction: its gap as a Rice code, a sign, and by how much its magnitude is above 1 as an Exp-Golomb code. Nearly all fit into one write.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteCorrection(ref BitWriter bits, uint gap, int gapK, bool below, ulong value, int k)
    {
        int zeros = (int)(gap >> gapK), length = BitOperations.Log2((value >> k) + 1);
        int signAt = zeros + 1 + gapK, count = signAt + (2 * length) + 2 + k;
        if (count > BitWriter.Most)
        {
            WriteRice(ref bits, gap, gapK);
            bits.Write(below ? 1u : 0u, 1);
            WriteExponential(ref bits, value, k);
            return;
        }

        // Each code's leading one stands above its zeros; the numbers' own first bits are not written.
        ulong code = ((((value & Ones(k)) << length) | (((value >> k) + 1) & Ones(length))) << 1) | 1;
        code = (code << (length + 1)) | (below ? 1u : 0u);
        code = (((code << gapK) | (gap & Ones(gapK))) << 1) | 1;
        bits.Put(code << zeros, count);
    }

    /// <summary>What <see cref="WriteCorrection"/> wrote; null for anything else. Overruns are seen by <see cref="BitReader.IsAtEnd"/> after the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (uint Gap, bool Below, ulong Value)? ReadCorrection(ref BitReader bits, int gapK, uint limit, int k, ulong most)
    {
        ulong window = bits.Peek();
        int zeros = BitOperations.TrailingZeroCount(window), signAt = zeros + 1 + gapK;
        ulong rest = window >> (signAt + 1);
        int length = BitOperations.TrailingZeroCount(rest), count = signAt + (2 * length) + 2 + k;
        if (count > BitReader.Window) return ReadLongCorrection(ref bits, gapK, limit, k, most);
        ulong gap = ((ulong)zeros << gapK) | ((window >> (zeros + 1)) & Ones(gapK));
        ulong high = ((1ul << length) | ((rest >> (length + 1)) & Ones(length))) - 1;
        ulong value = (high << k) | ((rest >> ((2 * length) + 1)) & Ones(k));
        bits.Skip(count);
        return gap < limit && value <= most ? ((uint)gap, ((window >> signAt) & 1) == 1, value) : null;
    }

    private static (uint Gap, bool Below, ulong Value)? ReadLongCorrection(ref BitReader bits, int gapK, uint limit, int k, ulong most)
    {
        if (ReadRice(ref bits, gapK, limit) is not { } gap) return null;
        bool below = bits.Read(1) == 1;
        return ReadExponential(ref bits, k, most) is { } value ? (gap, below, value) : null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Ones(int count) => (1ul << count) - 1;

    /// <summary>The parameter of the shortest Exp-Golomb codes, from how many values have which ⌊log₂(value + 1)⌋.</summary>
    public static int BestExponential(ReadOnlySpan<long> lengths)
    {
        (int best, long shortest) = (0, long.MaxValue);
        for (int k = 0; k < lengths.Length; k++)
        {
            long total = 0;
            for (int length = 0; length < lengths.Length; length++)
            {
                total += lengths[length] * ((2 * Math.Max(length - k, 0)) + 1 + k);
            }

            if (total < shortest) (best, shortest) = (k, total);
        }

        return best;
    }
}

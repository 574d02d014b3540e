using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Tensors;

/// <summary>Every pattern, every tie: conversions against exact arithmetic.</summary>
public sealed class FloatConvertTests
{
    public static TheoryData<DType> Small => FloatFormats.Small;

    [Theory]
    [MemberData(nameof(Small))]
    public void Every_pattern_decodes_to_its_value(DType dtype)
    {
        byte[] stored = FloatFormats.AllPatterns(dtype);
        int count = stored.Length / dtype.Bytes();
        float[] singles = new float[count];
        double[] doubles = new double[count];
        FloatConvert.ToSingles(dtype, stored, singles);
        FloatConvert.ToDoubles(dtype, stored, doubles);
        for (int i = 0; i < count; i++)
        {
            double expected = Oracle.Decode(FloatFormats.Of(dtype), (ulong)i);
            AssertSame(expected, singles[i], i);
            AssertSame(expected, doubles[i], i);
        }
    }

    [Fact]
    public void F16_decodes_as_the_runtime_does()
    {
        float[] singles = new float[1 << 16];
        FloatConvert.ToSingles(DType.F16, FloatFormats.AllPatterns(DType.F16), singles);
        for (int i = 0; i < singles.Length; i++)
        {
            AssertSame((double)BitConverter.UInt16BitsToHalf((ushort)i), singles[i], i);
        }
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void Every_pattern_survives_decoding_and_encoding(DType dtype)
    {
        byte[] stored = FloatFormats.AllPatterns(dtype);
        int count = stored.Length / dtype.Bytes();
        float[] singles = new float[count];
        double[] doubles = new double[count];
        FloatConvert.ToSingles(dtype, stored, singles);
        FloatConvert.ToDoubles(dtype, stored, doubles);
        byte[] fromSingles = new byte[stored.Length];
        byte[] fromDoubles = new byte[stored.Length];
        FloatConvert.FromSingles(dtype, singles, fromSingles);
        FloatConvert.FromDoubles(dtype, doubles, fromDoubles);
        for (int i = 0; i < count; i++)
        {
            AssertPattern(dtype, (ulong)i, fromSingles, i);
            AssertPattern(dtype, (ulong)i, fromDoubles, i);
        }
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void Every_tie_goes_to_even_and_its_neighbours_to_the_nearest(DType dtype)
    {
        Oracle.Format format = FloatFormats.Of(dtype);
        List<float> singles = [];
        List<ulong> fromSingles = [];
        List<double> doubles = [];
        List<ulong> fromDoubles = [];
        for (ulong below = 0; below < format.Overflow; below++)
        {
            double low = Oracle.Decode(format, below);

            // The step up to the next number, which at the end is the one that would follow.
            double step = below + 1 < format.Overflow ? Oracle.Decode(format, below + 1) - low : low - Oracle.Decode(format, below - 1);
            double tie = low + (step / 2);
            Assert.Equal(tie, (float)tie);
            ulong even = below % 2 == 0 ? below : below + 1;
            foreach (ulong sign in new[] { 0ul, format.SignMask })
            {
                double signed = sign == 0 ? tie : -tie;
                (float lowSingle, float highSingle) = (MathF.BitDecrement((float)tie), MathF.BitIncrement((float)tie));
                singles.AddRange((float)signed, (float)Math.CopySign(lowSingle, signed), (float)Math.CopySign(highSingle, signed));
                fromSingles.AddRange(sign | even, sign | below, sign | (below + 1));
                (double lowDouble, double highDouble) = (Math.BitDecrement(tie), Math.BitIncrement(tie));
                doubles.AddRange(signed, Math.CopySign(lowDouble, signed), Math.CopySign(highDouble, signed));
                fromDoubles.AddRange(sign | even, sign | below, sign | (below + 1));
            }
        }

        byte[] stored = new byte[singles.Count * dtype.Bytes()];
        FloatConvert.FromSingles(dtype, singles.ToArray(), stored);
        for (int i = 0; i < singles.Count; i++)
        {
            AssertPattern(dtype, fromSingles[i], stored, i);
        }

        FloatConvert.FromDoubles(dtype, doubles.ToArray(), stored);
        for (int i = 0; i < doubles.Count; i++)
        {
            AssertPattern(dtype, fromDoubles[i], stored, i);
        }
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void Any_single_and_any_double_go_to_the_nearest(DType dtype)
    {
        Random random = new(20260101);
        const int Count = 20_000;
        float[] singles = new float[Count];
        double[] doubles = new double[Count];
        for (int i = 0; i < Count; i++)
        {
            // Half of them anywhere, half of them in the range of the type.
            int exponent = random.Next(-160, 140);
            bool anywhere = i % 2 == 0;
            singles[i] = anywhere ? BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)) : (float)Value(exponent / 6);
            doubles[i] = anywhere ? BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)) : Value(exponent / 3);
        }

        double Value(int exponent) => Math.ScaleB((random.NextDouble() * 2) - 1, exponent);

        byte[] stored = new byte[Count * dtype.Bytes()];
        FloatConvert.FromSingles(dtype, singles, stored);
        for (int i = 0; i < Count; i++)
        {
            AssertPattern(dtype, Oracle.Encode(FloatFormats.Of(dtype), singles[i]), stored, i);
        }

        FloatConvert.FromDoubles(dtype, doubles, stored);
        for (int i = 0; i < Count; i++)
        {
            AssertPattern(dtype, Oracle.Encode(FloatFormats.Of(dtype), doubles[i]), stored, i);
        }
    }

    [Fact]
    public void F16_encodes_as_the_runtime_does()
    {
        // Every 1021st single, the odd step meeting all exponents and most of the dropped bits.
        List<float> singles = [];
        for (ulong bits = 0; bits <= uint.MaxValue; bits += 1021)
        {
            singles.Add(BitConverter.UInt32BitsToSingle((uint)bits));
        }

        byte[] stored = new byte[singles.Count * 2];
        FloatConvert.FromSingles(DType.F16, singles.ToArray(), stored);
        for (int i = 0; i < singles.Count; i++)
        {
            Half expected = (Half)singles[i];
            AssertPattern(DType.F16, Half.IsNaN(expected) ? null : BitConverter.HalfToUInt16Bits(expected), stored, i);
        }
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void Infinities_and_zeros_keep_their_sign(DType dtype)
    {
        Oracle.Format format = FloatFormats.Of(dtype);
        byte[] stored = new byte[4 * dtype.Bytes()];
        FloatConvert.FromSingles(dtype, [float.PositiveInfinity, float.NegativeInfinity, 0f, -0f], stored);
        Assert.Equal(format.Overflow, FloatFormats.Pattern(dtype, stored, 0));
        Assert.Equal(format.Overflow | format.SignMask, FloatFormats.Pattern(dtype, stored, 1));
        Assert.Equal(0ul, FloatFormats.Pattern(dtype, stored, 2));
        Assert.Equal(format.SignMask, FloatFormats.Pattern(dtype, stored, 3));
    }

    [Fact]
    public void Singles_and_doubles_convert_as_the_language_does()
    {
        double[] doubles = [0.1, -1e300, double.Epsilon, 1 + Math.Pow(2, -24), double.NaN, double.NegativeInfinity, -0.0];
        byte[] stored = new byte[doubles.Length * 8];
        FloatConvert.FromDoubles(DType.F64, doubles, stored);
        double[] again = new double[doubles.Length];
        FloatConvert.ToDoubles(DType.F64, stored, again);
        Assert.Equal(doubles, again);
        float[] singles = new float[doubles.Length];
        FloatConvert.ToSingles(DType.F64, stored, singles);
        Assert.Equal(Array.ConvertAll(doubles, d => (float)d), singles);

        byte[] narrow = new byte[doubles.Length * 4];
        FloatConvert.FromDoubles(DType.F32, doubles, narrow);
        float[] back = new float[doubles.Length];
        FloatConvert.ToSingles(DType.F32, narrow, back);
        Assert.Equal(singles, back);
        FloatConvert.FromSingles(DType.F64, singles, stored);
        FloatConvert.ToDoubles(DType.F64, stored, again);
        Assert.Equal(Array.ConvertAll(singles, s => (double)s), again);
    }

    [Fact]
    public void Casting_rounds_once_and_keeps_the_bytes_of_the_same_type()
    {
        // Halfway between two halves but for a bit that a single cannot hold: by way of a single it would go down.
        double[] values = [1 + Math.Pow(2, -11) + Math.Pow(2, -40), -3, 70000];
        byte[] doubles = new byte[24];
        FloatConvert.FromDoubles(DType.F64, values, doubles);
        byte[] halves = new byte[6];
        FloatConvert.Cast(DType.F64, doubles, DType.F16, halves);
        Assert.Equal([0x01, 0x3C, 0x00, 0xC2, 0x00, 0x7C], halves);

        byte[] signallingNaN = [0x01, 0x7C];
        byte[] copy = new byte[2];
        FloatConvert.Cast(DType.F16, signallingNaN, DType.F16, copy);
        Assert.Equal(signallingNaN, copy);

        byte[] brain = new byte[6];
        FloatConvert.Cast(DType.F16, halves, DType.BF16, brain);
        Assert.Equal([0x80, 0x3F, 0x40, 0xC0, 0x80, 0x7F], brain);
    }

    [Fact]
    public void Lengths_and_types_are_checked()
    {
        Assert.Throws<ArgumentException>(() => FloatConvert.ToSingles(DType.BF16, new byte[5], new float[2]));
        Assert.Throws<ArgumentException>(() => FloatConvert.FromDoubles(DType.F16, new double[2], new byte[6]));
        Assert.Throws<ArgumentException>(() => FloatConvert.ToDoubles(DType.I8, new byte[2], new double[2]));
        Assert.Throws<ArgumentException>(() => FloatConvert.Cast(DType.F32, new byte[8], DType.F16, new byte[8]));
        Assert.Throws<ArgumentException>(() => FloatConvert.Cast(DType.F4, new byte[8], DType.F4, new byte[8]));
    }

    private static void AssertSame(double expected, double actual, int index)
    {
        bool same = double.IsNaN(expected)
            ? double.IsNaN(actual)
            : BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(actual);
        if (!same) Assert.Fail($"pattern {index:X}: {actual:R}, expected {expected:R}");
    }

    private static void AssertPattern(DType dtype, ulong? expected, byte[] stored, int index)
    {
        ulong actual = FloatFormats.Pattern(dtype, stored, index);
        bool same = expected is { } pattern && !FloatFormats.IsNaN(dtype, pattern) ? pattern == actual : FloatFormats.IsNaN(dtype, actual);
        if (!same) Assert.Fail($"element {index}: {actual:X}, expected {expected:X}");
    }
}

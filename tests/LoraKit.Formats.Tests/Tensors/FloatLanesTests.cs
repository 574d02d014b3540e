using System.Runtime.Intrinsics;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Formats.Tests.Tensors;

/// <summary>Every register width gives the bytes that one element at a time gives, wherever the spans begin and end.</summary>
public sealed unsafe class FloatLanesTests
{
    private static readonly float[] Singles = MakeSingles();

    [Fact]
    public void Widths_agree_on_BF16() => AssertWidthsAgree<BFloat16Codec>();

    [Fact]
    public void Widths_agree_on_F16() => AssertWidthsAgree<SmallFloatCodec<Float16>>();

    [Fact]
    public void Widths_agree_on_F8_E5M2() => AssertWidthsAgree<SmallFloatCodec<Float8E5M2>>();

    [Fact]
    public void Widths_agree_on_F8_E4M3() => AssertWidthsAgree<SmallFloatCodec<Float8E4M3>>();

    [Fact]
    public void Widths_agree_on_F32() => AssertWidthsAgree<Float32Codec>();

    [Fact]
    public void A_result_in_the_type_s_range_takes_the_short_path()
    {
        Assert.True(TryCommon<BFloat16Codec>(1.2345f));
        Assert.True(TryCommon<SmallFloatCodec<Float16>>(1.2345f));
        Assert.True(TryCommon<SmallFloatCodec<Float8E4M3>>(1.2345f));
        Assert.False(TryCommon<BFloat16Codec>(float.NaN));
        Assert.False(TryCommon<BFloat16Codec>(1 + (1f / 256)));
        Assert.False(TryCommon<SmallFloatCodec<Float16>>(1 + (1f / 2048)));
        Assert.False(TryCommon<SmallFloatCodec<Float16>>(1e-7f));
        Assert.False(TryCommon<SmallFloatCodec<Float16>>(65520));
    }

    private static bool TryCommon<TCodec>(float value)
        where TCodec : IFloatCodec
    {
        byte* destination = stackalloc byte[4];
        return TCodec.TryEncodeCommon<ScalarLanes, float, uint>(value, destination);
    }

    private static void AssertWidthsAgree<TCodec>()
        where TCodec : IFloatCodec
    {
        int count = Singles.Length;
        byte[] expected = new byte[count * TCodec.Size];
        fixed (float* from = Singles)
        fixed (byte* to = expected)
        {
            Assert.Equal(count, FloatLoops.Encode<TCodec, ScalarLanes, float, uint>(from, to, 0, count));
        }

        if (Lanes256.IsSupported) AssertEncodes<TCodec, Lanes256, Vector256<float>, Vector256<uint>>(expected);
        if (Lanes512.IsSupported) AssertEncodes<TCodec, Lanes512, Vector512<float>, Vector512<uint>>(expected);

        float[] decoded = new float[count];
        fixed (byte* from = expected)
        fixed (float* to = decoded)
        {
            FloatLoops.Decode<TCodec, ScalarLanes, float, uint>(from, to, 0, count);
        }

        // The public loops, at every misalignment and at lengths that end anywhere in a register.
        byte[] shifted = new byte[expected.Length + 3];
        float[] values = new float[count];
        for (int shift = 0; shift < 4; shift++)
        {
            expected.CopyTo(shifted, shift < 3 ? shift : 3);
            for (int length = 0; length < 70; length++)
            {
                Array.Clear(values);
                FloatLoops.Decode<TCodec>(shifted.AsSpan(shift, length * TCodec.Size), values.AsSpan(0, length));
                Assert.Equal(Bits(decoded.AsSpan(0, length)), Bits(values.AsSpan(0, length)));
                Assert.Equal(0f, values[length]);

                byte[] encoded = new byte[(length * TCodec.Size) + shift + 1];
                FloatLoops.Encode<TCodec>(Singles.AsSpan(0, length), encoded.AsSpan(shift, length * TCodec.Size));
                Assert.Equal(expected.AsSpan(0, length * TCodec.Size), encoded.AsSpan(shift, length * TCodec.Size));
                Assert.Equal(0, encoded[^1]);
            }
        }

        FloatLoops.Decode<TCodec>(expected, values);
        Assert.Equal(Bits(decoded), Bits(values));
    }

    private static void AssertEncodes<TCodec, TLanes, TSingles, TBits>(byte[] expected)
        where TCodec : IFloatCodec
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        byte[] actual = new byte[expected.Length];
        int common = 0;
        fixed (float* from = Singles)
        fixed (byte* to = actual)
        {
            FloatLoops.Encode<TCodec, TLanes, TSingles, TBits>(from, to, 0, Singles.Length);
            Assert.Equal(expected, actual);
            Array.Clear(actual);
            for (int i = 0; i < Singles.Length; i += TLanes.Count)
            {
                TSingles values = TLanes.Load(from + i);
                if (TCodec.TryEncodeCommon<TLanes, TSingles, TBits>(values, to + (i * TCodec.Size)))
                {
                    common++;
                }
                else
                {
                    TCodec.Encode<TLanes, TSingles, TBits>(values, to + (i * TCodec.Size));
                }
            }
        }

        Assert.Equal(expected, actual);
        Assert.True(common > 0);
    }

    private static uint[] Bits(ReadOnlySpan<float> values)
    {
        uint[] bits = new uint[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToUInt32Bits(values[i]);
        }

        return bits;
    }

    /// <summary>Anything at all, ties, and ordinary weights; a whole number of the widest registers.</summary>
    private static float[] MakeSingles()
    {
        Random random = new(7);
        float[] singles = new float[1 << 16];
        for (int i = 0; i < singles.Length; i++)
        {
            int bits = random.Next(int.MinValue, int.MaxValue);
            singles[i] = (i / 512 % 4) switch
            {
                0 => BitConverter.Int32BitsToSingle(bits),
                1 => BitConverter.Int32BitsToSingle((bits & ~0xFFFF) | 0x8000),
                2 => (float)(Half)((random.NextDouble() - 0.5) * Math.ScaleB(1, -random.Next(30))) * (1 + (1f / 2048)),
                _ => (float)(1.5 + (0.3 * random.NextDouble())),
            };
        }

        return singles;
    }
}

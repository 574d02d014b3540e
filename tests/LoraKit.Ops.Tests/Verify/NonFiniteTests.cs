using System.Buffers.Binary;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Tests.Verify;

public sealed class NonFiniteTests
{
    /// <summary>Every bit pattern of the small types that is NaN or infinite, by the definitions of the formats.</summary>
    public static TheoryData<DType, int[]> Bytes => new()
    {
        { DType.F8E5M2, [0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF] },
        { DType.F8E4M3, [0x7F, 0xFF] },
        { DType.F8E8M0, [0xFF] },
        { DType.F8E4M3Fnuz, [0x80] },
        { DType.F8E5M2Fnuz, [0x80] },
    };

    [Theory]
    [MemberData(nameof(Bytes))]
    public void FindsEachPatternOfAByte(DType dtype, int[] patterns)
    {
        int[] found = [.. Enumerable.Range(0, 256).Where(b => NonFinite.Count(dtype, [(byte)b], out _) == 1)];
        Assert.Equal(patterns, found);
    }

    [Fact]
    public void AgreesWithTheRuntimeOnEveryHalf()
    {
        byte[] bytes = new byte[2];
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)bits);
            bool half = !Half.IsFinite(BitConverter.UInt16BitsToHalf((ushort)bits));
            bool brain = !float.IsFinite(BitConverter.Int32BitsToSingle(bits << 16));
            Assert.Equal(half ? 1 : 0, NonFinite.Count(DType.F16, bytes, out _));
            Assert.Equal(brain ? 1 : 0, NonFinite.Count(DType.BF16, bytes, out _));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(1000)]
    public void CountsAndFindsTheFirstWhereverItIs(int length)
    {
        for (int first = 0; first < length; first++)
        {
            float[] values = new float[length];
            Array.Fill(values, float.MaxValue);
            values[first] = float.NaN;
            values[length - 1] = float.NegativeInfinity;
            long count = NonFinite.Count(DType.F32, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values), out int found);
            Assert.Equal(first == length - 1 ? 1 : 2, count);
            Assert.Equal(first, found);
        }
    }

    [Fact]
    public void DoublesAndComplex()
    {
        double[] doubles = [double.MaxValue, double.Epsilon, -0.0, double.PositiveInfinity, double.NaN];
        Assert.Equal(2, NonFinite.Count(DType.F64, System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(doubles), out int first));
        Assert.Equal(3, first);
        float[] imaginary = [0, 1, 2, float.NaN];
        Assert.Equal(1, NonFinite.Count(DType.C64, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(imaginary), out _));
    }

    [Fact]
    public void OtherTypesHaveNone() =>
        Assert.Equal(
            [DType.Bool, DType.F4, DType.F6E2M3, DType.F6E3M2, DType.U8, DType.I8, DType.I16, DType.U16, DType.I32, DType.U32, DType.I64, DType.U64],
            DTypes.All.Where(t => !NonFinite.Exists(t)));
}

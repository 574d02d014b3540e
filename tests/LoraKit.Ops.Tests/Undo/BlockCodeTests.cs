using System.Runtime.InteropServices;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Tests.Undo;

/// <summary>Whatever a prediction is, its code leads back; whatever bytes claim to be a code, they do no harm.</summary>
public class BlockCodeTests
{
    public static TheoryData<int, double> Cases
    {
        get
        {
            TheoryData<int, double> cases = [];
            foreach (int size in new[] { 1, 2, 4, 8 })
            {
                foreach (double share in new[] { 0, 0.001, 0.013, 0.3, 1 }) cases.Add(size, share);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void ACodeLeadsBack(int size, double share)
    {
        Random random = new(size);
        foreach (int count in new[] { 0, 1, 2, 63, 1000, 65536 })
        {
            foreach (int reach in new[] { 0, 3, 12, 64 })
            {
                byte[] original = new byte[count * size], predicted = new byte[count * size];
                random.NextBytes(original);
                long wrong = 0;
                for (int i = 0; i < count; i++)
                {
                    ulong value = Element(original, size, i), other = value;
                    // Far and near, and what wraps around.
                    if (random.NextDouble() < share) other += reach == 64 ? (ulong)random.NextInt64() * 3 : 1 + (ulong)random.NextInt64(1L << reach);
                    other &= size == 8 ? ulong.MaxValue : (1ul << (size * 8)) - 1;
                    if (other != value) wrong++;
                    for (int b = 0; b < size; b++) predicted[(i * size) + b] = (byte)(other >> (8 * b));
                }

                byte[] code = Encode(size, original, predicted, out int corrections);
                Assert.Equal(wrong, corrections);
                Assert.Equal(wrong == 0, code.Length == 0);
                Assert.True(code.Length <= original.Length + 1);
                Assert.Equal(wrong, BlockDecoder.Correct(size, code, predicted));
                Assert.Equal(original, predicted);
            }
        }
    }

    /// <summary>Every pattern of a 16-bit type from every kind of neighbour: NaN payloads and zeros of both signs are patterns like others.</summary>
    [Fact]
    public void EveryPatternComesBack()
    {
        byte[] original = new byte[2 << 16], predicted = new byte[2 << 16];
        for (int i = 0; i < 1 << 16; i++)
        {
            BitConverter.TryWriteBytes(original.AsSpan(2 * i), (ushort)i);
            BitConverter.TryWriteBytes(predicted.AsSpan(2 * i), (ushort)((i * 40503) + 77));
        }

        byte[] code = Encode(2, original, predicted, out _);
        Assert.NotNull(BlockDecoder.Correct(2, code, predicted));
        Assert.Equal(original, predicted);
        Assert.Equal(1ul, Ordinals<ushort>.Distance(0x0000, 0x8000).Magnitude);
        Assert.Equal(1ul, Ordinals<ushort>.Distance(0x8001, 0x8000).Magnitude);
        for (int i = 0; i < 1 << 16; i++) Assert.Equal(i, Ordinals<ushort>.Pattern(Ordinals<ushort>.Of((ushort)i)));
    }

    /// <summary>Many near each other, then one far away: its gap is coded by more zeros than fit into one write.</summary>
    [Fact]
    public void ALongGapComesBack()
    {
        foreach (int size in new[] { 1, 2, 4, 8 })
        {
            byte[] original = new byte[65536 * size], predicted = new byte[original.Length];
            foreach (int i in Enumerable.Range(0, 1500).Append(65535)) predicted[i * size] = (byte)(1 + (i % 9));
            byte[] code = Encode(size, original, predicted, out int corrections);
            Assert.Equal((1501, (byte)UndoMode.Sparse), (corrections, code[0]));
            Assert.Equal(1501, BlockDecoder.Correct(size, code, predicted));
            Assert.Equal(original, predicted);
        }
    }

    [Fact]
    public void NeighboursAndMasksAreThoseOfSingleElements()
    {
        ushort[] patterns = [.. Enumerable.Range(0, (1 << 16) + 7).Select(i => (ushort)i)];
        foreach (bool below in new[] { false, true })
        {
            ushort[] neighbours = new ushort[patterns.Length];
            Ordinals<ushort>.Neighbours(patterns, neighbours, below);
            Assert.Equal(patterns.Select(p => Ordinals<ushort>.Moved(p, 1, below)), neighbours);
        }

        ulong[] longs = [0, 1ul << 63, ulong.MaxValue, long.MaxValue, 5], above = new ulong[5];
        Ordinals<ulong>.Neighbours(longs, above, below: false);
        Assert.Equal([1, 0, ulong.MaxValue - 1, ulong.MaxValue, 6], above); // The numbers go round: after the last comes the first.
        Random random = new(3);
        foreach (int length in new[] { 0, 1, 63, 64, 65, 200, 257 })
        {
            byte[] one = [.. Enumerable.Range(0, length * 8).Select(_ => (byte)random.Next(2))], other = [.. one.Select(b => (byte)(random.Next(9) == 0 ? b ^ 4 : b))];
            Check<byte>(one, other);
            Check<ushort>(one, other);
            Check<uint>(one, other);
            Check<ulong>(one, other);
        }

        static void Check<T>(byte[] one, byte[] other)
            where T : unmanaged, System.Numerics.IBinaryInteger<T>, System.Numerics.IUnsignedNumber<T>
        {
            T[] first = [.. MemoryMarshal.Cast<byte, T>(one)], second = [.. MemoryMarshal.Cast<byte, T>(other)];
            for (int i = 0; i < first.Length; i += EqualElements.Lanes)
            {
                ulong mask = EqualElements.Mask<T>(first, second, i), all = EqualElements.All(first.Length, i);
                for (int bit = 0; bit < EqualElements.Lanes; bit++)
                {
                    Assert.Equal(i + bit < first.Length, ((all >> bit) & 1) == 1);
                    Assert.Equal(i + bit < first.Length && first[i + bit] == second[i + bit], ((mask >> bit) & 1) == 1);
                }
            }

            Assert.Equal(first.Zip(second).Count(p => p.First != p.Second), EqualElements.CountDifferent<T>(first, second));
        }
    }

    [Fact]
    public void BrokenCodesAreRefusedOrHarmless()
    {
        Random random = new(7);
        byte[] original = new byte[4000], predicted = new byte[4000];
        random.NextBytes(original);
        original.CopyTo(predicted, 0);
        for (int i = 0; i < 40; i++) predicted[random.Next(4000)] ^= 5;
        byte[] code = Encode(2, original, predicted, out _);
        Assert.Equal((byte)UndoMode.Sparse, code[0]);
        foreach (int length in Enumerable.Range(1, code.Length - 1)) Assert.Null(BlockDecoder.Correct(2, code[..length], new byte[4000]));
        Assert.Null(BlockDecoder.Correct(2, [.. code, 0], (byte[])predicted.Clone()));
        for (int run = 0; run < 20_000; run++)
        {
            byte[] broken = run % 2 == 0 ? (byte[])code.Clone() : new byte[random.Next(1, 60)];
            if (run % 2 == 0) broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
            else
            {
                random.NextBytes(broken);
                broken[0] = (byte)random.Next(5);
            }

            foreach (int size in new[] { 1, 2, 4, 8 })
            {
                byte[] block = (byte[])predicted.Clone();
                BlockDecoder.Correct(size, broken, block); // Returns, and writes nowhere else: spans see to that.
            }
        }
    }

    private static byte[] Encode(int size, byte[] original, byte[] predicted, out int corrections)
    {
        byte[] destination = new byte[original.Length + BlockEncoder.Overhead];
        BlockEncoder encoder = new();
        int length = encoder.Encode(size, original, predicted, destination);
        corrections = encoder.Corrections;
        return destination[..length];
    }

    private static ulong Element(byte[] bytes, int size, int i)
    {
        ulong value = 0;
        for (int b = 0; b < size; b++) value |= (ulong)bytes[(i * size) + b] << (8 * b);
        return value;
    }
}

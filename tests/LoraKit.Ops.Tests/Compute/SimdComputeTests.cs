using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>What only the managed backend promises: one rounding of the exact sum, and the same bytes at every width.</summary>
public sealed class SimdComputeTests
{
    private static readonly DType[] Types = [.. DTypes.All.Where(DTypes.IsMergeable)];

    public static TheoryData<SimdWidth> Widths => [.. Enum.GetValues<SimdWidth>().Where(SimdCompute.IsSupported)];

    [Fact]
    public void A_width_that_is_not_there_is_refused() =>
        Assert.Throws<BackendUnavailableException>(() => new SimdCompute((SimdWidth)99));

    [Fact]
    public void The_widest_there_is_is_chosen() =>
        Assert.Equal(Enum.GetValues<SimdWidth>().Last(SimdCompute.IsSupported), new SimdCompute().Width);

    [Theory]
    [MemberData(nameof(Widths))]
    public void Every_width_gives_the_bytes_of_the_scalar_one(SimdWidth width)
    {
        using SimdCompute scalar = new(SimdWidth.Scalar);
        using SimdCompute compute = new(width);
        foreach (DType source in Types)
        {
            foreach (DType destination in Types)
            {
                foreach (bool doubles in new[] { false, true })
                {
                    ProductCase sample = new(23, 301, 13, source, destination, doubles);

                    // Sums that are NaN meet sources that are NaN.
                    if (doubles) sample.Product.LeftDouble![2 * 13] = double.PositiveInfinity;
                    else sample.Product.LeftSingle![2 * 13] = float.PositiveInfinity;
                    if (doubles) sample.Product.LeftDouble![(2 * 13) + 5] = double.NaN;
                    else sample.Product.LeftSingle![(5 * 13) + 5] = -float.NaN;
                    Assert.Equal(sample.Run(scalar), sample.Run(compute));
                }
            }
        }
    }

    /// <summary>Against sums of negated factors, which have the opposite signs, and against both steps on their own.</summary>
    [Theory]
    [MemberData(nameof(Widths))]
    public void What_is_added_is_subtracted(SimdWidth width)
    {
        using SimdCompute compute = new(width);
        foreach (DType merged in Types)
        {
            foreach (DType type in Types)
            {
                foreach (bool doubles in new[] { false, true })
                {
                    ProductCase sample = new(23, 301, 13, merged, type, doubles);
                    using IPreparedProduct product = compute.Prepare(sample.Product);
                    byte[] subtracted = new byte[23 * 301 * type.Bytes()];
                    compute.SubtractProduct(TileOf(sample, subtracted), product, 0);
                    if (merged == type)
                    {
                        byte[] there = new byte[subtracted.Length], back = new byte[subtracted.Length], expected = new byte[subtracted.Length];
                        compute.AddAndSubtract(TileOf(sample, there), product, 0, back);
                        Assert.Equal(sample.Run(compute), there);
                        compute.SubtractProduct(TileOf(sample, expected) with { Source = there }, product, 0);
                        Assert.Equal(expected, back);
                    }

                    if (doubles) Negate(sample.Product.LeftDouble!);
                    else Negate(sample.Product.LeftSingle!);
                    Assert.Equal(sample.Run(compute), subtracted);
                }
            }
        }
    }

    /// <summary>A sum that is zero has a sign too, and minus zero less plus zero is minus zero.</summary>
    [Theory]
    [MemberData(nameof(Widths))]
    public void A_zero_is_subtracted_with_its_sign(SimdWidth width)
    {
        using SimdCompute compute = new(width);
        float[] source = [.. Enumerable.Repeat(-0f, 40)], there = new float[40], back = new float[40], away = new float[40];
        using IPreparedProduct product = compute.Prepare(new LowRankProduct(1, 40, 1, [0f], new float[40]));
        Tile tile = new()
        {
            Source = MemoryMarshal.AsBytes(source.AsSpan()),
            SourceType = DType.F32,
            Destination = MemoryMarshal.AsBytes(there.AsSpan()),
            DestinationType = DType.F32,
            Rows = 1,
            Columns = 40,
        };
        compute.AddAndSubtract(tile, product, 0, MemoryMarshal.AsBytes(back.AsSpan()));
        compute.SubtractProduct(tile with { Destination = MemoryMarshal.AsBytes(away.AsSpan()) }, product, 0);
        Assert.All(there, v => Assert.False(float.IsNegative(v)));
        Assert.All(back, v => Assert.False(float.IsNegative(v)));
        Assert.All(away, v => Assert.True(v == 0 && float.IsNegative(v)));
    }

    private static Tile TileOf(ProductCase sample, byte[] destination) => new()
    {
        Source = sample.Source,
        SourceType = sample.SourceType,
        Destination = destination,
        DestinationType = sample.DestinationType,
        Rows = sample.Rows,
        Columns = sample.Columns,
    };

    private static void Negate<T>(T[] values)
        where T : System.Numerics.IFloatingPoint<T>
    {
        for (int i = 0; i < values.Length; i++) values[i] = -values[i];
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Every_width_decomposes_to_the_bytes_of_the_scalar_one(SimdWidth width)
    {
        using SimdCompute scalar = new(SimdWidth.Scalar);
        using SimdCompute compute = new(width);
        foreach ((int rows, int columns, int rank) in ((int, int, int)[])[(37, 53, 5), (600, 301, 35), (9, 40, 17), (530, 530, 16)])
        {
            LowRankProduct product = DecomposeCase.Scaled(DecomposeCase.Random(rows, columns, rank), k => 25 * k, k => -26 * k);
            using ILowRankSvd expected = scalar.Decompose(product);
            using ILowRankSvd actual = compute.Decompose(product);
            SingularVectors expectedVectors = expected.Take(expected.SingularValues.Count);
            SingularVectors actualVectors = actual.Take(expected.SingularValues.Count);
            Assert.Equal(expected.SingularValues, actual.SingularValues);
            Assert.Equal(expectedVectors.Left, actualVectors.Left);
            Assert.Equal(expectedVectors.Right, actualVectors.Right);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_sum_of_one_term_is_added_exactly_and_rounded_once(SimdWidth width)
    {
        using SimdCompute compute = new(width);
        foreach (DType source in Types)
        {
            foreach (DType destination in Types)
            {
                AssertExact(compute, source, destination);
            }
        }
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void Realistic_weights_come_out_as_the_oracle_rounds_them(DType dtype)
    {
        const int Rows = 512;
        const int Columns = 1024;
        const int Rank = 16;
        Random random = new(42);
        double[] weights = Draw(random, Rows * Columns, 0.02);

        // Updates of about a hundredth of the weights.
        float[] left = Array.ConvertAll(Draw(random, Rows * Rank, 0.01), v => (float)v);
        float[] right = Array.ConvertAll(Draw(random, Rank * Columns, 0.005), v => (float)v);
        byte[] source = new byte[weights.Length * 2];
        byte[] destination = new byte[source.Length];
        FloatConvert.FromDoubles(dtype, weights, source);
        FloatConvert.ToDoubles(dtype, source, weights);
        using SimdCompute compute = new();
        using IPreparedProduct prepared = compute.Prepare(new LowRankProduct(Rows, Columns, Rank, left, right));
        compute.AddProduct(
            new Tile
            {
                Source = source,
                SourceType = dtype,
                Destination = destination,
                DestinationType = dtype,
                Rows = Rows,
                Columns = Columns,
            },
            prepared,
            0);
        (double[] exact, _) = Oracle.AddProduct(
            weights, Array.ConvertAll(left, v => (double)v), Array.ConvertAll(right, v => (double)v), Rows, Columns, Rank);
        int others = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            ulong actual = ProductCase.Pattern(destination, dtype, i);
            (double low, double high) = Oracle.RoundingInterval(ProductCase.FormatOf(dtype), actual);
            if (exact[i] < low || exact[i] > high) others++;
        }

        // One in 10⁵ at most. A total that is rounded to F32 first takes 0.7 in 10⁵ for BF16 already, and 6.5 for F16.
        Assert.InRange(others, 0, exact.Length / 100_000);
    }

    [Fact]
    public void Nothing_is_allocated_for_a_tile()
    {
        using SimdCompute compute = new();
        ProductCase sample = new(64, 200, 16, DType.BF16, DType.BF16, doubles: false);
        using IPreparedProduct prepared = compute.Prepare(sample.Product);
        byte[] destination = sample.Run(compute);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            sample.RunTile(compute, prepared, destination, 0, 64);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_product_of_another_width_is_refused()
    {
        using SimdCompute widest = new();
        using SimdCompute scalar = new(SimdWidth.Scalar);
        Assert.SkipWhen(widest.Width == SimdWidth.Scalar, "this machine has no wide registers");
        ProductCase sample = new(2, 2, 1, DType.F32, DType.F32, doubles: false);
        using IPreparedProduct prepared = scalar.Prepare(sample.Product);
        byte[] destination = new byte[16];
        Assert.Throws<ArgumentException>(() => sample.RunTile(widest, prepared, destination, 0, 2));
    }

    /// <summary>One term with a factor of one is its other factor, so the exact total is known.</summary>
    private static void AssertExact(SimdCompute compute, DType source, DType destination)
    {
        const int Count = 600;
        Random random = new(3);
        Oracle.Format sourceFormat = ProductCase.FormatOf(source);
        Oracle.Format destinationFormat = ProductCase.FormatOf(destination);
        double[] addends = new double[Count];
        float[] deltas = new float[Count];
        for (int i = 0; i < Count; i++)
        {
            addends[i] = ProductCase.Normal(random) * Math.ScaleB(1, random.Next(-18, 4));
            ulong pattern = Oracle.Encode(sourceFormat, addends[i])!.Value;
            addends[i] = Oracle.Decode(sourceFormat, pattern);

            // A third lands on a tie of the destination, a third beside one by less than a single can tell, a third anywhere.
            double near = Oracle.RoundingInterval(destinationFormat, Oracle.Encode(destinationFormat, addends[i] * 1.01)!.Value).High;
            deltas[i] = (i % 3) switch
            {
                0 => (float)(near - addends[i]),
                1 => MathF.BitIncrement((float)(near - addends[i])),
                _ => (float)(addends[i] * 0.01 * random.NextDouble()),
            };
        }

        byte[] from = new byte[Count * source.Bytes()];
        byte[] to = new byte[Count * destination.Bytes()];
        FloatConvert.FromDoubles(source, addends, from);
        foreach (bool doubles in new[] { false, true })
        {
            LowRankProduct product = doubles
                ? new LowRankProduct(1, Count, 1, [1.0], Array.ConvertAll(deltas, d => (double)d))
                : new LowRankProduct(1, Count, 1, [1f], deltas);
            using IPreparedProduct prepared = compute.Prepare(product);
            compute.AddProduct(
                new Tile
                {
                    Source = from,
                    SourceType = source,
                    Destination = to,
                    DestinationType = destination,
                    Rows = 1,
                    Columns = Count,
                },
                prepared,
                0);
            for (int i = 0; i < Count; i++)
            {
                ulong expected = Oracle.EncodeSum(destinationFormat, addends[i], deltas[i])!.Value;
                ulong actual = ProductCase.Pattern(to, destination, i);

                // F32 out of F32 arithmetic is rounded once by the addition itself; zeros may differ in sign.
                if (expected != actual && Oracle.Decode(destinationFormat, expected) != Oracle.Decode(destinationFormat, actual))
                {
                    Assert.Fail($"{source}→{destination} doubles {doubles}: {addends[i]:R} + {deltas[i]:R} became {actual:X}, expected {expected:X}");
                }
            }
        }
    }

    private static double[] Draw(Random random, int count, double deviation)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = ProductCase.Normal(random) * deviation;
        }

        return values;
    }
}

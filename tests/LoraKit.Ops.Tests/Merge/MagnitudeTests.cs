using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>DoRA: W' = m ∘ (W + D) / (‖W + D‖ + ε), against loops written from the equation.</summary>
public class MagnitudeTests
{
    private static readonly ParameterName Target = new(new("x"), "weight");

    public static TheoryData<long[], long[], MagnitudeAxis, DoraNorm, double, double> Cases() => new()
    {
        { [37, 53], [37], MagnitudeAxis.Output, DoraNorm.Updated, 0, 1 },
        { [37, 53], [37, 1], MagnitudeAxis.FromShape, DoraNorm.Updated, 1e-3, -0.75 },
        { [37, 53], [1, 53], MagnitudeAxis.FromShape, DoraNorm.Updated, 1e-3, 0.5 },
        { [37, 53], [53], MagnitudeAxis.Input, DoraNorm.Updated, 0, 1 },
        { [37, 53], [37, 1], MagnitudeAxis.FromShape, DoraNorm.Base, 1e-3, 1 },
        { [37, 53], [1, 53], MagnitudeAxis.FromShape, DoraNorm.Base, 0, 1 },
        { [6, 6], [6], MagnitudeAxis.FromShape, DoraNorm.Updated, 0, 2 },
        { [6, 6], [1, 6], MagnitudeAxis.FromShape, DoraNorm.Updated, 0, 1 },
        { [1, 5], [1, 5], MagnitudeAxis.FromShape, DoraNorm.Updated, 0, 1 },
        { [5, 1], [5, 1], MagnitudeAxis.FromShape, DoraNorm.Updated, 0, 1 },
        { [7, 5, 3], [1, 7, 1], MagnitudeAxis.Output, DoraNorm.Updated, 0, 1 },
        { [7, 5, 3, 2], [7, 1, 1, 1], MagnitudeAxis.FromShape, DoraNorm.Updated, 1e-3, 1 },
        { [7, 5, 3, 2], [1, 5, 1, 1], MagnitudeAxis.FromShape, DoraNorm.Updated, 1e-3, -2 },
        { [7, 5, 1, 1, 3], [1, 7, 1, 1, 1], MagnitudeAxis.Output, DoraNorm.Updated, 0, 1 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void EqualsItsEquation(long[] shape, long[] magnitudeShape, MagnitudeAxis axis, DoraNorm norm, double epsilon, double factor)
    {
        Random random = new(11);
        bool byInput = axis == MagnitudeAxis.Input || (axis == MagnitudeAxis.FromShape && magnitudeShape[0] != shape[0]) || (shape[0] == 1 && magnitudeShape[^1] == 5);
        const int rank = 4;
        const double scale = 1.75;
        int rows = (int)shape[0], inputs = (int)shape[1], columns = (int)shape.Skip(1).Aggregate(1L, (x, y) => x * y), kernel = columns / inputs;
        double[] w = Values(random, rows * columns), a = Values(random, rank * columns), b = Values(random, rows * rank), m = Values(random, byInput ? inputs : rows);

        double[] expected = new double[w.Length], updated = [.. w];
        for (int i = 0; i < w.Length; i++)
        {
            for (int k = 0; k < rank; k++) updated[i] += scale * b[(i / columns * rank) + k] * a[(k * columns) + (i % columns)];
        }

        for (int i = 0; i < w.Length; i++)
        {
            int own = byInput ? i % columns / kernel : i / columns;
            double squares = 0;
            for (int j = 0; j < w.Length; j++)
            {
                if ((byInput ? j % columns / kernel : j / columns) != own) continue;
                double value = norm == DoraNorm.Base && !byInput ? w[j] : updated[j];
                squares += value * value;
            }

            expected[i] = w[i] + (factor * ((m[own] * updated[i] / (Math.Sqrt(squares) + epsilon)) - w[i]));
        }

        MagnitudeDelta delta = new(Lora(shape, rank, a, b, scale), new MemoryTensor("m", new(magnitudeShape), m), axis, norm, epsilon);
        double[] actual = KindRows.Merge(delta, new(shape), w, factor);
        Assert.All(Enumerable.Range(0, w.Length), i => Assert.Equal(expected[i], actual[i], 1e-12));
        Assert.Equal(actual, KindRows.Merge(delta, new(shape), w, factor, tileRows: 1));
    }

    /// <summary>A length beyond the range of numbers would divide everything away.</summary>
    [Theory]
    [InlineData(MagnitudeAxis.Output)]
    [InlineData(MagnitudeAxis.Input)]
    public void AnUpdateWithoutALengthIsRefused(MagnitudeAxis axis)
    {
        Random random = new(5);
        MagnitudeDelta delta = new(Lora([4, 4], 2, Values(random, 8), Values(random, 8), 1e250), new MemoryTensor("m", new(4), Values(random, 4)), axis);
        double[] weight = Values(random, 16);
        AggregateException tiles = Assert.Throws<AggregateException>(() => KindRows.Merge(delta, new(4, 4), weight, 1));
        Assert.All(tiles.InnerExceptions, error => Assert.Contains("the scale is 1E+250", Assert.IsType<NonFiniteException>(error).Message));
    }

    /// <summary>A base stored as [in, out] gives the same, turned: the factors turned with it, and kinds that cannot be.</summary>
    [Theory]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Updated, true)]
    [InlineData(MagnitudeAxis.Input, DoraNorm.Updated, true)]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Base, true)]
    [InlineData(MagnitudeAxis.Input, DoraNorm.Base, true)]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Updated, false)]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Base, false)]
    public void SeesTheWeightAsOutputsByInputs(MagnitudeAxis axis, DoraNorm norm, bool isFactored)
    {
        Random random = new(5);
        double[] w = Values(random, 9 * 4), turned = new double[9 * 4];
        AdapterDelta inner = isFactored ? Lora([9, 4], 2, Values(random, 2 * 4), Values(random, 9 * 2), 0.5) : new DenseDelta(Target, new MemoryTensor("d", new(9, 4), Values(random, 9 * 4)), 0.5);
        int count = axis == MagnitudeAxis.Output ? 9 : 4;
        foreach (TensorValue? m in (TensorValue?[])[new MemoryTensor("m", new(count), Values(random, count)), null])
        {
            MagnitudeDelta delta = new(inner, m, axis, norm, 1e-3);
            for (int i = 0; i < w.Length; i++) turned[(i % 4 * 9) + (i / 4)] = w[i];
            double[] straight = KindRows.Merge(delta, new(9, 4), w), other = KindRows.Merge(delta, new(4, 9), turned, transposed: true);
            Assert.All(Enumerable.Range(0, w.Length), i => Assert.Equal(straight[i], other[(i % 4 * 9) + (i / 4)], 1e-13));
        }
    }

    /// <summary>Without magnitudes, every row or column keeps the base's length.</summary>
    [Theory]
    [InlineData(MagnitudeAxis.Output)]
    [InlineData(MagnitudeAxis.Input)]
    public void WithoutMagnitudesLengthsStay(MagnitudeAxis axis)
    {
        Random random = new(7);
        double[] w = Values(random, 6 * 10);
        MagnitudeDelta delta = new(Lora([6, 5, 2], 3, Values(random, 3 * 10), Values(random, 6 * 3), -1.25), null, axis);
        double[] merged = KindRows.Merge(delta, new(6, 5, 2), w);
        Assert.NotEqual(w[0], merged[0], 1e-3);
        for (int own = 0; own < (axis == MagnitudeAxis.Output ? 6 : 5); own++)
        {
            int[] places = [.. Enumerable.Range(0, 60).Where(i => (axis == MagnitudeAxis.Output ? i / 10 : i % 10 / 2) == own)];
            Assert.Equal(places.Sum(i => w[i] * w[i]), places.Sum(i => merged[i] * merged[i]), 1e-12);
        }
    }

    /// <summary>Around another kind: only the sum W + D counts.</summary>
    [Fact]
    public void WrapsAnyAdditiveKind()
    {
        Random random = new(6);
        double[] w = Values(random, 6 * 5), d = Values(random, 6 * 5), m = Values(random, 6);
        DenseDelta inner = new(Target, new MemoryTensor("d", new(6, 5), d), -3);
        double[] actual = KindRows.Merge(new MagnitudeDelta(inner, new MemoryTensor("m", new(6), m), MagnitudeAxis.Output), new(6, 5), w);
        for (int i = 0; i < w.Length; i++)
        {
            double norm = Math.Sqrt(Enumerable.Range(i / 5 * 5, 5).Sum(j => Math.Pow(w[j] - (3 * d[j]), 2)));
            Assert.Equal(m[i / 5] * (w[i] - (3 * d[i])) / norm, actual[i], 1e-13);
        }
    }

    /// <summary>LyCORIS' LoHa and LoKr on a convolution store the kernel flat in their columns, and the magnitudes by input with dimensions for it.</summary>
    [Fact]
    public void AKernelMayLieFlatInTheUpdate()
    {
        const int kernel = 6, inputs = 5, columns = inputs * kernel;
        Random random = new(16);
        double[] w = Values(random, 7 * columns), up = Values(random, 7), down = Values(random, columns), m = Values(random, inputs);
        static double[] Ones(int count) => [.. Enumerable.Repeat(1.0, count)];
        LohaDelta inner = new(Target, (new MemoryTensor("b1", new(7, 1), up), new MemoryTensor("a1", new(1, columns), down)),
            (new MemoryTensor("b2", new(7, 1), Ones(7)), new MemoryTensor("a2", new(1, columns), Ones(columns))), -2, null);
        double[] actual = KindRows.Merge(new MagnitudeDelta(inner, new MemoryTensor("m", new(1, inputs, 1, 1), m), MagnitudeAxis.FromShape), new(7, inputs, 2, 3), w);
        double Updated(int i) => w[i] - (2 * up[i / columns] * down[i % columns]);
        for (int i = 0; i < w.Length; i++)
        {
            int input = i % columns / kernel;
            double norm = Math.Sqrt(Enumerable.Range(0, w.Length).Where(j => j % columns / kernel == input).Sum(j => Updated(j) * Updated(j)));
            Assert.Equal(m[input] * Updated(i) / norm, actual[i], 1e-12);
        }

        foreach (long wrong in (long[])[4, 7, 31])
        {
            MemoryTensor unfit = new("m", new(1, wrong, 1, 1), new double[wrong]);
            Assert.Throws<InvalidAdapterException>(() => new MagnitudeDelta(inner, unfit, MagnitudeAxis.FromShape));
        }
    }

    /// <summary>A row without a direction stays what it is; nothing becomes NaN.</summary>
    [Theory]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Updated)]
    [InlineData(MagnitudeAxis.Input, DoraNorm.Updated)]
    [InlineData(MagnitudeAxis.Output, DoraNorm.Base)]
    public void ZeroNormsDivideNothing(MagnitudeAxis axis, DoraNorm norm)
    {
        double[] w = [0, 0, 1, 2];
        if (axis == MagnitudeAxis.Input) w = [0, 1, 0, 2];
        double[] d = norm == DoraNorm.Base ? [3, 4, 0, 0] : [0, 0, 0, 0];
        DenseDelta inner = new(Target, new MemoryTensor("d", new(2, 2), d), 1);
        double[] merged = KindRows.Merge(new MagnitudeDelta(inner, new MemoryTensor("m", new(2), new double[] { 7, 7 }), axis, norm), new(2, 2), w);
        double[] zeros = axis == MagnitudeAxis.Input ? [merged[0], merged[2]] : [merged[0], merged[1]];
        Assert.Equal(norm == DoraNorm.Base ? [3.0, 4.0] : [0.0, 0.0], zeros);
        Assert.Equal(14 / Math.Sqrt(5), merged[3], 1e-14);
    }

    [Theory]
    [InlineData(new long[] { 4 }, MagnitudeAxis.Output)]
    [InlineData(new long[] { 5 }, MagnitudeAxis.Input)]
    [InlineData(new long[] { 5, 4 }, MagnitudeAxis.FromShape)]
    [InlineData(new long[] { 1, 6 }, MagnitudeAxis.FromShape)]
    public void RefusesMagnitudesOfAnotherSize(long[] shape, MagnitudeAxis axis)
    {
        MemoryTensor magnitudes = new("m", new(shape), new double[shape.Aggregate((x, y) => x * y)]);
        InvalidAdapterException error = Assert.Throws<InvalidAdapterException>(() => new MagnitudeDelta(Lora([5, 4], 1, new double[4], new double[5], 1), magnitudes, axis));
        Assert.Contains("do not fit the update [5, 4]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SaysThatItIsDora()
    {
        MagnitudeDelta delta = new(Lora([5, 4], 1, new double[4], new double[5], 2), new MemoryTensor("m", new(5), new double[5]), MagnitudeAxis.Output);
        Assert.Equal("lora", delta.Kind);
        Assert.Equal(new DeltaFacts(1, 2, 2, Dora: true), delta.Facts);
        Assert.Equal(["a", "b", "m"], delta.Tensors.Select(t => t.Name));
        Assert.True(delta.NeedsBase);
    }

    private static LowRankDelta Lora(long[] shape, int rank, double[] a, double[] b, double scale) => new(
        Target, new MemoryTensor("a", new([rank, .. shape[1..]]), a), new MemoryTensor("b", new([shape[0], rank, .. Enumerable.Repeat(1L, shape.Length - 2)]), b), scale, scale * rank);

    private static double[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextDouble() * 2) - 1)];
}

using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>LoKr and LoHa in every factoring, against loops written from their definitions.</summary>
public class KroneckerKindTests
{
    private const double Scale = 1.75;
    private const double Weight = -0.6;

    private static readonly ParameterName Target = new(new("x"), "weight");
    private readonly Random _random = new(7);

    [Theory]
    [InlineData(false, false, 1)]
    [InlineData(true, false, 1)]
    [InlineData(false, true, 1)]
    [InlineData(true, true, 1)]
    [InlineData(false, false, 6)]
    [InlineData(true, true, 6)]
    public void LokrIsTheKroneckerProduct(bool factorsFirst, bool factorsSecond, int kernel)
    {
        const int o1 = 3, i1 = 5, o2 = 7, i2 = 4;
        (KroneckerFactor first, double[] w1) = Factor(factorsFirst, o1, i1, 2);
        (KroneckerFactor second, double[] w2) = Factor(factorsSecond, o2, i2 * kernel, 3);
        if (kernel > 1 && !factorsSecond) second = new(new MemoryTensor("w2", new(o2, i2, 3, 2), w2));
        TensorShape shape = kernel == 1 ? new(o1 * o2, i1 * i2) : new(o1 * o2, i1 * i2, 3, 2);
        double[] expected = new double[o1 * o2 * i1 * i2 * kernel];
        for (int at = 0; at < expected.Length; at++)
        {
            int k = at % kernel, input = at / kernel % (i1 * i2), output = at / kernel / (i1 * i2);
            expected[at] = w1[(output / o2 * i1) + (input / i2)] * w2[(((output % o2 * i2) + (input % i2)) * kernel) + k];
        }

        Check(new LokrDelta(Target, first, second, Scale, 4), shape, expected);
    }

    [Fact]
    public void LokrFoldsATuckerCore()
    {
        const int o1 = 3, i1 = 2, o2 = 7, i2 = 5, r = 4, kernel = 6;
        (KroneckerFactor first, double[] w1) = Factor(false, o1, i1, 2);
        double[] core = Values(r * r * kernel), a = Values(r * o2), b = Values(r * i2);
        KroneckerFactor second = new(
            new TransposedTensor(new MemoryTensor("a", new(r, o2), a)), TuckerDown.Of(Target, new MemoryTensor("b", new(r, i2), b), new MemoryTensor("t", new(r, r, 3, 2), core)));
        double[] expected = new double[o1 * o2 * i1 * i2 * kernel];
        for (int at = 0; at < expected.Length; at++)
        {
            int k = at % kernel, input = at / kernel % (i1 * i2), output = at / kernel / (i1 * i2);
            double w2 = 0;
            for (int i = 0; i < r; i++)
            {
                for (int j = 0; j < r; j++) w2 += core[(((i * r) + j) * kernel) + k] * a[(i * o2) + (output % o2)] * b[(j * i2) + (input % i2)];
            }

            expected[at] = w1[(output / o2 * i1) + (input / i2)] * w2;
        }

        LokrDelta delta = new(Target, first, second, Scale, 4);
        Assert.Equal(["w", "a", "b", "t"], delta.Tensors.Select(tensor => tensor.Name));
        Check(delta, new(o1 * o2, i1 * i2, 3, 2), expected);
    }

    [Fact]
    public void LokrOfA1dConvolutionLinesUpAsTorchDoes()
    {
        // torch.kron pads the shorter shape in front: [1, o1, i1] ⊗ [o2, i2, k] = [o2, o1·i2, i1·k], which is then read as [o1·o2, i1·i2, k].
        const int o1 = 3, i1 = 2, o2 = 5, i2 = 4, k = 3;
        (KroneckerFactor first, double[] w1) = Factor(false, o1, i1, 1);
        double[] w2 = Values(o2 * i2 * k), expected = new double[o1 * o2 * i1 * i2 * k];
        for (int x = 0; x < o2; x++)
        {
            for (int y = 0; y < o1 * i2; y++)
            {
                for (int z = 0; z < i1 * k; z++) expected[(((x * o1 * i2) + y) * i1 * k) + z] = w1[(y / i2 * i1) + (z / k)] * w2[(((x * i2) + (y % i2)) * k) + (z % k)];
            }
        }

        LokrDelta delta = new(Target, first, new(new MemoryTensor("w2", new(o2, i2, k), w2)), Scale, 4) { IsInnermost = true };
        Check(delta, new(o1 * o2, i1 * i2, k), expected);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LohaIsTheElementwiseProduct(bool hasCores)
    {
        const int r = 3, kernel = 6;
        int outs = 37, ins = hasCores ? 11 : 53, columns = hasCores ? ins * kernel : ins;
        double[] expected = [.. Enumerable.Repeat(1.0, outs * columns)];
        (TensorValue, TensorValue) Pair()
        {
            double[] a = Values(outs * r), b = Values(r * ins), core = Values(r * r * kernel);
            for (int at = 0; at < expected.Length; at++)
            {
                (int o, int c) = (at / columns, at % columns);
                double sum = 0;
                for (int i = 0; i < r; i++)
                {
                    if (!hasCores) sum += a[(o * r) + i] * b[(i * ins) + c];
                    for (int j = 0; hasCores && j < r; j++) sum += a[(i * outs) + o] * core[(((i * r) + j) * kernel) + (c % kernel)] * b[(j * ins) + (c / kernel)];
                }

                expected[at] *= sum;
            }

            MemoryTensor down = new("b", new(r, ins), b);
            return hasCores
                ? (new TransposedTensor(new MemoryTensor("a", new(r, outs), a)), TuckerDown.Of(Target, down, new MemoryTensor("t", new(r, r, 3, 2), core)))
                : (new MemoryTensor("a", new(outs, r), a), down);
        }

        TensorShape shape = hasCores ? new(outs, ins, 3, 2) : new(outs, ins);
        LohaDelta delta = new(Target, Pair(), Pair(), Scale, 4);
        Check(delta, shape, expected);
        Assert.Equal(r * r, delta.ExactFactors()!.Down.Shape[0]);
    }

    [Fact]
    public void FlatKernelsFitAndOtherShapesDoNot()
    {
        (KroneckerFactor first, _) = Factor(false, 3, 5, 1);
        (KroneckerFactor second, _) = Factor(true, 7, 4 * 6, 3);
        LokrDelta delta = new(Target, first, second, 1, 4);
        Assert.True(delta.Fits(new(21, 20, 3, 2)));
        Assert.True(delta.Fits(new(21, 20, 6)));
        Assert.False(delta.Fits(new(20, 20, 3, 2)));
        Assert.False(delta.Fits(new(21, 20)));
        Assert.Throws<InvalidAdapterException>(() => new LokrDelta(Target, second, new(new MemoryTensor("w", new(7), new double[7])), 1, 4));
        Assert.Throws<InvalidAdapterException>(() => new LokrDelta(Target, first, new(second.Up, new MemoryTensor("w", new(4, 24), new double[96])), 1, 4));
    }

    /// <summary>ΔW by rows and, where there are any, by exact factors.</summary>
    private void Check(AdapterDelta delta, TensorShape shape, double[] expected)
    {
        double[] w = Values(expected.Length), actual = KindRows.Merge(delta, shape, w, Weight);
        for (int i = 0; i < w.Length; i++) Assert.Equal(w[i] + (Weight * Scale * expected[i]), actual[i], 1e-12);
        if (delta.ExactFactors() is not { } factors) return;
        (double[] up, double[] down) = (factors.Up.ToDoubles(), factors.Down.ToDoubles());
        (int rank, int columns) = ((int)factors.Down.Shape[0], w.Length / (int)shape[0]);
        Assert.True(rank < Math.Min(shape[0], columns));
        for (int i = 0; i < w.Length; i++)
        {
            double sum = 0;
            for (int q = 0; q < rank; q++) sum += up[(i / columns * rank) + q] * down[(q * columns) + (i % columns)];
            Assert.Equal(Scale * expected[i], factors.Scale * sum, 1e-12);
        }
    }

    private (KroneckerFactor Factor, double[] Values) Factor(bool isProduct, int rows, int columns, int rank)
    {
        if (!isProduct)
        {
            double[] whole = Values(rows * columns);
            return (new(new MemoryTensor("w", new(rows, columns), whole)), whole);
        }

        double[] a = Values(rows * rank), b = Values(rank * columns), product = new double[rows * columns];
        for (int i = 0; i < product.Length; i++)
        {
            for (int q = 0; q < rank; q++) product[i] += a[(i / columns * rank) + q] * b[(q * columns) + (i % columns)];
        }

        return (new(new MemoryTensor("a", new(rows, rank), a), new MemoryTensor("b", new(rank, columns), b)), product);
    }

    private double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (_random.NextDouble() * 2) - 1)];
}

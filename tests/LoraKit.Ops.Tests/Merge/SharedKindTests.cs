using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>MiSS, Bat, SHiRA, and the kinds that share projections, against loops written from their definitions.</summary>
public class SharedKindTests
{
    private const double Weight = -0.6;

    private static readonly ParameterName Target = new(new("x"), "weight");
    private readonly Random _random = new(5);

    [Theory]
    [InlineData(37, 53, 4, 37)]
    [InlineData(36, 53, 4, 9)]
    [InlineData(5, 3, 7, 5)]
    [InlineData(5, 8, 8, 1)]
    public void MissRepeatsItsBlock(int rows, int columns, int r, int period)
    {
        double[] block = Values(r * period);
        MissDelta delta = new(Target, Tensor("m", block, r, period), isMini: period != rows);
        double[] update = [.. Enumerable.Range(0, rows * columns).Select(at => block[(at % columns % r * period) + (at / columns % period)])];
        Check(delta, rows, columns, _ => update);
        if (r >= Math.Min(rows, columns))
        {
            Assert.Null(delta.ExactFactors(new TensorShape(rows, columns)));
            return;
        }

        CheckFactors(delta.ExactFactors(new TensorShape(rows, columns))!, columns, update);
    }

    [Fact]
    public void MiniMissNeedsAMultiple()
    {
        MissDelta delta = new(Target, Tensor("m", Values(8), 2, 4), isMini: true);
        Assert.True(delta.Fits(new(12, 5)));
        Assert.False(delta.Fits(new(13, 5)));
        Assert.False(new MissDelta(Target, Tensor("m", Values(8), 2, 4), isMini: false).Fits(new(12, 5)));
    }

    [Fact]
    public void BatIsAffineInEachBlock()
    {
        const int r = 3, rows = 12, columns = 9;
        double[] m = Values(rows * r);
        Check(new BatDelta(Target, Tensor("m", m, rows / r, r, r)), rows, columns, w =>
        {
            double[] update = new double[rows * columns];
            for (int at = 0; at < update.Length; at++)
            {
                (int o, int i) = (at / columns, at % columns);
                update[at] = m[(o / r * r * r) + (o % r * r) + (i % r)];
                for (int j = 0; j < r; j++) update[at] += w[(o * columns) + (i / r * r) + j] * m[(o / r * r * r) + (j * r) + (i % r)];
            }

            return update;
        });
        Assert.False(new BatDelta(Target, Tensor("m", m, rows / r, r, r)).Fits(new(rows, 10)));
        Assert.Throws<InvalidAdapterException>(() => new BatDelta(Target, Tensor("m", m, 4, 9)));
    }

    [Theory]
    [InlineData(DType.I32)]
    [InlineData(DType.I64)]
    [InlineData(DType.F32)]
    public void ShiraScatters(DType dtype)
    {
        long[] indices = [36, 0, 3, 3, 20, 36, 52, 1, 7, 7, 0, 0];
        double[] values = Values(6), update = new double[37 * 53];
        for (int k = 0; k < 6; k++) update[(indices[k] * 53) + indices[6 + k]] += values[k];
        Check(new ShiraDelta(Target, Tensor("v", values, 6), Indices(dtype, indices)), 37, 53, _ => update);
    }

    [Theory]
    [InlineData(DType.I32, -1)]
    [InlineData(DType.I64, 37)]
    [InlineData(DType.F32, 1.5)]
    [InlineData(DType.I64, 4294967296)]
    public void ShiraRefusesAPlaceOutside(DType dtype, double place)
    {
        ShiraDelta delta = new(Target, Tensor("v", Values(2), 2), dtype == DType.F32
            ? new MemoryTensor("i", new(2, 2), [0, (float)place, 0, 0])
            : Indices(dtype, [0, (long)place, 0, 0]));
        AggregateException tiles = Assert.Throws<AggregateException>(() => KindRows.Merge(delta, new(37, 53), new double[37 * 53]));
        Assert.All(tiles.InnerExceptions, inner => Assert.IsType<InvalidAdapterException>(inner));
        Assert.Contains("module 'x': 'i' has no position at element 1; expected a whole number from 0 to 36", tiles.InnerException!.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void VeraSlicesWhatIsShared(bool isProbabilistic)
    {
        const int r = 4, rows = 37, columns = 53, largestIn = 60, largestOut = 41;
        int halves = isProbabilistic ? 2 : 1;
        double[] a = Values(halves * r * largestIn), b = Values(largestOut * r), d = Values(halves * r), l = Values(rows);
        VeraDelta delta = new(Target, (Tensor("A", a, halves * r, largestIn), Tensor("B", b, largestOut, r)), (Tensor("d", d, halves * r), Tensor("b", l, rows)), isProbabilistic);
        double[] update = new double[rows * columns];
        for (int at = 0; at < update.Length; at++)
        {
            for (int k = 0; k < r; k++) update[at] += l[at / columns] * b[(at / columns * r) + k] * d[k] * a[(k * largestIn) + (at % columns)];
        }

        Check(delta, rows, columns, _ => update);
        CheckFactors(delta.ExactFactors(new TensorShape(rows, columns))!, columns, update);
        Assert.False(delta.Fits(new(rows, largestIn + 1)));
        Assert.False(delta.Fits(new(rows - 1, columns)));
    }

    [Theory]
    [InlineData(37, 10)]
    [InlineData(10, 37)]
    [InlineData(10, 10)]
    public void RandLoraPairsItsBasesAsPeftDoes(int rows, int columns)
    {
        const int r = 4, n = 3, m = 10, largest = 41, bases = 5;
        double[] a = Values(r * 12), b = Values(largest * bases * r), lambda = Values(r * n), gamma = Values(n * m);
        RandLoraDelta delta = new(Target, (Tensor("A", a, r, 1, 12), Tensor("B", b, largest, bases, r)), (Tensor("l", lambda, r, n), Tensor("g", gamma, n, m)), 1.75, null);
        double[] update = new double[rows * columns];
        for (int at = 0; at < update.Length; at++)
        {
            (int large, int small) = columns <= rows ? (at / columns, at % columns) : (at % columns, at / columns);
            for (int q = 0; q < r * n; q++)
            {
                // B is flattened [base, rank], λ∘A∘γ [rank, base]: the same q stands for different pairs.
                update[at] += 1.75 * b[(large * bases * r) + (q / r * r) + (q % r)] * lambda[(q / n * n) + (q % n)] * a[(q / n * 12) + small] * gamma[(q % n * m) + small];
            }
        }

        Check(delta, rows, columns, _ => update);
        Assert.False(delta.Fits(new(11, 37)));
        Assert.False(delta.Fits(new(10, 42)));
    }

    [Fact]
    public void UniLoraGathers()
    {
        const int r = 3, rows = 7, columns = 5;
        double[] theta = Values(6), scalesA = Values(r * columns), scalesB = Values(rows * r);
        long[] a = [.. Enumerable.Range(0, r * columns).Select(i => (long)i * 5 % 6)], b = [.. Enumerable.Range(0, rows * r).Select(i => (long)i * 7 % 6)];
        UniLoraDelta delta = new(
            Target, Tensor("t", theta, 6), (Indices(DType.I64, a, r, columns), Tensor("a", scalesA, r, columns)), (Indices(DType.I64, b, rows, r), Tensor("b", scalesB, rows, r)));
        double[] update = new double[rows * columns];
        for (int at = 0; at < update.Length; at++)
        {
            for (int k = 0; k < r; k++)
            {
                (int up, int down) = ((at / columns * r) + k, (k * columns) + (at % columns));
                update[at] += theta[b[up]] * scalesB[up] * theta[a[down]] * scalesA[down];
            }
        }

        CheckFactors(delta.ExactFactors()!, columns, update);
    }

    [Fact]
    public void TinyLoraMixesItsProjections()
    {
        const int r = 3, u = 4, rows = 7, columns = 5;
        double[] a = Values(r * columns), b = Values(rows * r), p = Values(u * r * r), v = Values(u), update = new double[rows * columns];
        TinyLoraDelta delta = new(Target, Tensor("A", a, r, columns), Tensor("B", b, rows, r), Tensor("P", p, u, r, r), Tensor("v", v, u));
        for (int at = 0; at < update.Length; at++)
        {
            for (int j = 0; j < r; j++)
            {
                for (int k = 0; k < r; k++)
                {
                    for (int i = 0; i < u; i++) update[at] += b[(at / columns * r) + j] * v[i] * p[(i * r * r) + (j * r) + k] * a[(k * columns) + (at % columns)];
                }
            }
        }

        CheckFactors(delta.ExactFactors()!, columns, update);
        Assert.Equal(["A", "B", "P", "v"], delta.Tensors.Select(tensor => tensor.Name));
    }

    private void Check(AdapterDelta delta, int rows, int columns, Func<double[], double[]> update)
    {
        double[] w = Values(rows * columns), expected = update(w);
        foreach (int tile in (int[])[1, 4, rows])
        {
            double[] actual = KindRows.Merge(delta, new(rows, columns), w, Weight, tile);
            for (int i = 0; i < w.Length; i++) Assert.Equal(w[i] + (Weight * expected[i]), actual[i], 1e-12);
        }

        double[] turned = KindRows.Merge(delta, new(columns, rows), Turned(w, columns), Weight, transposed: true);
        double[] back = Turned(turned, rows);
        for (int i = 0; i < w.Length; i++) Assert.Equal(w[i] + (Weight * expected[i]), back[i], 1e-12);
    }

    private static void CheckFactors(LowRankFactors factors, int columns, double[] update)
    {
        (double[] up, double[] down) = (factors.Up.ToDoubles(), factors.Down.ToDoubles());
        int rank = (int)factors.Down.Shape[0];
        for (int i = 0; i < update.Length; i++)
        {
            double sum = 0;
            for (int q = 0; q < rank; q++) sum += up[(i / columns * rank) + q] * down[(q * columns) + (i % columns)];
            Assert.Equal(update[i], factors.Scale * sum, 1e-12);
        }
    }

    private static double[] Turned(double[] matrix, int columns)
    {
        int rows = matrix.Length / columns;
        return [.. Enumerable.Range(0, matrix.Length).Select(at => matrix[(at % rows * columns) + (at / rows)])];
    }

    private static MemoryTensor Tensor(string name, double[] values, params long[] shape) => new(name, new TensorShape(shape), values);

    private static MemoryTensor Indices(DType dtype, long[] values, params long[] shape)
    {
        byte[] bytes = dtype switch
        {
            DType.I32 => [.. MemoryMarshal.AsBytes<int>(values.Select(value => (int)value).ToArray())],
            DType.I64 => [.. MemoryMarshal.AsBytes<long>(values)],
            _ => [.. MemoryMarshal.AsBytes<float>(values.Select(value => (float)value).ToArray())],
        };
        return new("i", dtype, shape.Length == 0 ? new(2, values.Length / 2) : new(shape), bytes);
    }

    private double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (_random.NextDouble() * 2) - 1)];
}

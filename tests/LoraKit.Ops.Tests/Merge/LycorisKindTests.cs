using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>LyCORIS' kinds row by row against loops written from its definitions.</summary>
public class LycorisKindTests
{
    private static readonly ParameterName Target = new(new("x"), "weight");

    [Theory]
    [InlineData(new long[] { 37, 53 }, 4, 1)]
    [InlineData(new long[] { 37, 53 }, 60, -0.75)] // rank above both sides
    [InlineData(new long[] { 7, 5, 3, 3 }, 2, 1.5)]
    [InlineData(new long[] { 7, 5, 1, 1 }, 3, 1)]
    [InlineData(new long[] { 7, 5, 2 }, 1, 2)]
    public void Glora(long[] shape, int rank, double factor)
    {
        Random random = new(3);
        (int outputs, int inputs, int positions) = ((int)shape[0], (int)shape[1], (int)shape.Skip(2).Aggregate(1L, (x, y) => x * y));
        double[] w = Values(random, outputs * inputs * positions), a1 = Values(random, inputs * rank), a2 = Values(random, rank * inputs);
        double[] b1 = Values(random, outputs * rank), b2 = Values(random, rank * inputs * positions);
        GloraFactors factors = new(Tensor(a1, inputs, rank), Tensor(a2, rank, inputs), Tensor(b1, outputs, rank), Tensor(b2, [rank, inputs, .. shape[2..]]), 1.75);
        GloraDelta delta = new(Target, factors, null, 7);
        double[] update = LycorisOracle.Glora(w, outputs, inputs, positions, rank, 1.75, a1, a2, b1, b2);
        AssertMerges(delta, shape, w, [.. w.Zip(update, (value, change) => value + (factor * change))], factor);
    }

    /// <summary>Tensors that could be of either age are taken as the weight needs them.</summary>
    [Fact]
    public void GloraOfAnotherAgeIsTakenWhereItFits()
    {
        Random random = new(4);
        double[] w = Values(random, 9), big = Values(random, 9 * 9);
        TensorValue[] tall = [.. Enumerable.Range(0, 2).Select(_ => Tensor(Values(random, 27), 9, 3))], wide = [.. Enumerable.Range(0, 2).Select(_ => Tensor(Values(random, 27), 3, 9))];
        GloraFactors low = new(tall[0], wide[0], tall[1], wide[1], 0.5), high = new(wide[0], tall[0], wide[1], tall[1], 0.25);
        GloraDelta delta = new(Target, low, high, null);
        AssertMerges(delta, [9, 9], big, Sum(big, LycorisOracle.Glora(big, 9, 9, 1, 3, 0.5, tall[0].ToDoubles(), wide[0].ToDoubles(), tall[1].ToDoubles(), wide[1].ToDoubles())), 1);
        AssertMerges(delta, [3, 3], w, Sum(w, LycorisOracle.Glora(w, 3, 3, 1, 9, 0.25, wide[0].ToDoubles(), tall[0].ToDoubles(), wide[1].ToDoubles(), tall[1].ToDoubles())), 1);
        Assert.False(delta.Fits(new(9, 3)));
    }

    [Theory]
    [InlineData(new long[] { 37, 53 }, false, 1)]
    [InlineData(new long[] { 37, 53 }, true, -2)]
    [InlineData(new long[] { 7, 5, 3, 2 }, false, 0.5)]
    [InlineData(new long[] { 7, 5, 3, 2 }, true, 1)]
    [InlineData(new long[] { 5, 5 }, true, 1)]
    public void Ia3(long[] shape, bool onInput, double factor)
    {
        Random random = new(5);
        int columns = (int)shape.Skip(1).Aggregate(1L, (x, y) => x * y), kernel = columns / (int)shape[1];
        double[] w = Values(random, (int)shape[0] * columns), v = Values(random, (int)shape[onInput ? 1 : 0]);
        Ia3Delta delta = new(Target, Tensor(v, [1, v.Length, .. shape[2..].Select(_ => 1L)]), onInput) { IsChange = true };
        AssertMerges(delta, shape, w, [.. w.Select((value, i) => value + (factor * value * v[onInput ? i % columns / kernel : i / columns]))], factor);
    }

    public static TheoryData<long[], int, bool, double, bool, double> Rotations() => new()
    {
        { [37, 53], 37, false, -1, false, 1 },
        { [36, 53], 4, true, -1, false, -0.75 },
        { [36, 53], 4, true, 0.5, false, 1 }, // held back
        { [36, 53], 4, false, 100, false, 1 }, // not reached
        { [36, 53], 12, false, 0.5, true, 2 },
        { [36, 53], 12, false, 0, true, 1 }, // sd-scripts at alpha 0: next to nothing
        { [6, 5, 3, 3], 2, true, 0.25, false, 1 },
        { [5, 3], 1, true, -1, false, 1 }, // blocks of one row: rescale alone
    };

    [Theory]
    [MemberData(nameof(Rotations))]
    public void DiagOft(long[] shape, int size, bool rescaled, double limit, bool always, double factor)
    {
        Random random = new(6);
        (int rows, int columns) = ((int)shape[0], (int)shape.Skip(1).Aggregate(1L, (x, y) => x * y));
        double[] w = Values(random, rows * columns), blocks = Values(random, rows * size);
        double[]? rescale = rescaled ? Values(random, rows) : null;
        DiagOftDelta delta = new(
            Target, Tensor(blocks, rows / size, size, size), rescale is null ? null : Tensor(rescale, [rows, .. shape[1..].Select(_ => 1L)]), limit < 0 ? null : new(limit, always));
        double[] turned = LycorisOracle.DiagOft(w, columns, LycorisOracle.Rotations(blocks, size, norm => Held(norm, limit, always)), rescale);
        AssertMerges(delta, shape, w, [.. w.Zip(turned, (value, other) => value + (factor * (other - value)))], factor);
    }

    [Theory]
    [InlineData(new long[] { 40, 53 }, 10, 3, true, -1, 1)]
    [InlineData(new long[] { 40, 53 }, 10, 1, false, -1, -0.5)]
    [InlineData(new long[] { 16, 7 }, 2, 4, true, 0.5, 1)]
    [InlineData(new long[] { 12, 3, 3, 3 }, 6, 2, false, 0.5, 2)]
    [InlineData(new long[] { 24, 5 }, 8, 1, false, -1, 1)]
    public void Boft(long[] shape, int size, int stages, bool rescaled, double limit, double factor)
    {
        Random random = new(7);
        (int rows, int columns) = ((int)shape[0], (int)shape.Skip(1).Aggregate(1L, (x, y) => x * y));
        double[] w = Values(random, rows * columns), blocks = Values(random, stages * rows * size);
        double[]? rescale = rescaled ? Values(random, rows) : null;
        ButterflyDelta delta = new(
            Target, Tensor(blocks, stages, rows / size, size, size), rescale is null ? null : Tensor(rescale, [rows, .. shape[1..].Select(_ => 1L)]), limit < 0 ? null : new(limit, false));
        double[] turned = LycorisOracle.Boft(w, columns, LycorisOracle.Rotations(blocks, size, norm => Held(norm, limit, false)), stages, rescale);
        AssertMerges(delta, shape, w, [.. w.Zip(turned, (value, other) => value + (factor * (other - value)))], factor);
    }

    [Theory]
    [InlineData(new long[] { 5, 7 })]
    [InlineData(new long[] { 5, 3, 2, 1 })]
    public void SparseResidual(long[] shape)
    {
        int columns = (int)shape.Skip(1).Aggregate(1L, (x, y) => x * y);
        double[] w = Values(new(8), 5 * columns), expected = [.. w];
        // Out of order, and one place twice.
        (short Row, short Column, double Value)[] entries = [(4, 1, 0.5), (0, 0, -2), (4, 1, 0.25), (2, (short)(columns - 1), 1), (0, 3, 4)];
        foreach ((short row, short column, double value) in entries) expected[(row * columns) + column] += -1.5 * 0.75 * value;
        SparseResidualDelta delta = new(
            Target, Indices([.. entries.Select(e => e.Row), .. entries.Select(e => e.Column)]), Tensor([.. entries.Select(e => e.Value)], 5), new(5, columns), 0.75);
        AssertMerges(delta, shape, w, expected, -1.5);
        SparseResidualDelta outside = new(Target, Indices([5, 0]), Tensor([1], 1), new(5, columns), 1);
        Assert.Contains("expected a whole number from 0 to 4", Assert.IsType<InvalidAdapterException>(Assert.Throws<AggregateException>(() => KindRows.Merge(outside, new(shape), w)).InnerExceptions[0]).Message);
    }

    [Fact]
    public void WhatContradictsItselfIsRefused()
    {
        TensorValue Zeros(params long[] shape) => Tensor(new double[shape.Aggregate(1L, (x, y) => x * y)], shape);
        Assert.Throws<InvalidAdapterException>(() => new GloraDelta(Target, new(Zeros(5, 2), Zeros(2, 6), Zeros(7, 2), Zeros(2, 5), 1), null, null));
        Assert.Throws<InvalidAdapterException>(() => new GloraDelta(Target, new(Zeros(5, 2), Zeros(2, 5), Zeros(7, 2), Zeros(2, 5), double.NaN), null, null));
        Assert.Throws<InvalidAdapterException>(() => new DiagOftDelta(Target, Zeros(3, 4, 5), null, null));
        Assert.Throws<InvalidAdapterException>(() => new DiagOftDelta(Target, Zeros(3, 4, 4), Zeros(11), null));
        Assert.Throws<InvalidAdapterException>(() => new ButterflyDelta(Target, Zeros(1, 4, 3, 3), null, null)); // odd blocks
        Assert.Throws<InvalidAdapterException>(() => new ButterflyDelta(Target, Zeros(3, 3, 4, 4), null, null)); // runs of 8 do not divide 12 rows
        Assert.Throws<InvalidAdapterException>(() => new ButterflyDelta(Target, Zeros(2, 4, 2, 2), Zeros(7), null));
        Assert.Throws<InvalidAdapterException>(() => new SparseResidualDelta(Target, Zeros(2, 3), Zeros(4), new(5, 7), 1));
        Assert.False(new DiagOftDelta(Target, Zeros(3, 4, 4), null, null).Fits(new(13, 4)));
    }

    private static double Held(double norm, double limit, bool always) =>
        limit < 0 ? 1 : always ? (Math.Min(norm, limit) + 1e-8) / (norm + 1e-8) : norm + 1e-8 > limit ? limit / (norm + 1e-8) : 1;

    private static void AssertMerges(AdapterDelta delta, long[] shape, double[] w, double[] expected, double factor)
    {
        double[] actual = KindRows.Merge(delta, new(shape), w, factor);
        double largest = expected.Max(Math.Abs);
        Assert.All(Enumerable.Range(0, w.Length), i => Assert.Equal(expected[i], actual[i], 1e-12 * largest));
        Assert.Equal(actual, KindRows.Merge(delta, new(shape), w, factor, tileRows: 1));
        Assert.Equal(actual, KindRows.Merge(delta, new(shape), w, factor, tileRows: (int)shape[0]));
    }

    private static double[] Sum(double[] one, double[] two) => [.. one.Zip(two, (x, y) => x + y)];

    private static MemoryTensor Tensor(double[] values, params long[] shape) => new("t", new(shape), values);

    private static MemoryTensor Indices(short[] values) => new("i", DType.I16, new(2, values.Length / 2), MemoryMarshal.AsBytes<short>(values).ToArray());

    private static double[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextDouble() - 0.5)];
}

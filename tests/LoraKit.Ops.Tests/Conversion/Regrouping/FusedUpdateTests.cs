using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Conversion.Regrouping;

namespace LoraKit.Ops.Tests.Conversion.Regrouping;

/// <summary>The whole's update is the parts' one below the other, zero where one is missing.</summary>
public class FusedUpdateTests
{
    private static readonly long[] Rows = [37, 5, 11];
    private static readonly ParameterName Whole = RegroupingSample.Name("qkv");

    public static TheoryData<string, double[], int[], DType[]> Parts => new()
    {
        { "equal", [1, 1, 1], [3, 3, 3], [DType.F32, DType.F32, DType.F32] },
        { "unequal ranks and scales", [1, -0.3, 2.75], [1, 60, 4], [DType.F32, DType.F32, DType.F32] },
        { "half types", [0.1, 0.1, 0.1], [3, 2, 1], [DType.BF16, DType.BF16, DType.BF16] },
        { "half types, unequal scales", [0.1, 0.7, 1], [3, 2, 1], [DType.F16, DType.F16, DType.F16] },
        { "mixed types", [1, 0.3, 1], [3, 2, 1], [DType.BF16, DType.F16, DType.F32] },
        { "mixed types with F64", [0.25, 0.3, 1], [3, 2, 1], [DType.F64, DType.F16, DType.F32] },
        { "a scale of zero first", [0, 0.3, 1], [3, 2, 1], [DType.F32, DType.F32, DType.F32] },
        { "nothing but zero scales", [0, 0, 0], [3, 2, 1], [DType.F32, DType.BF16, DType.F32] },
        { "the first is missing", [double.NaN, 0.3, 2], [0, 2, 1], [DType.F32, DType.BF16, DType.BF16] },
        { "two are missing", [double.NaN, double.NaN, -2], [0, 0, 4], [DType.F32, DType.BF16, DType.F16] },
    };

    [Theory]
    [MemberData(nameof(Parts))]
    public void TheWholeIsItsParts(string what, double[] scales, int[] ranks, DType[] types)
    {
        RegroupingSample sample = new(what.Length);
        (int Part, AdapterDelta Delta)[] updates =
            [.. Enumerable.Range(0, 3).Where(part => ranks[part] > 0).Select(part => (part, (AdapterDelta)sample.Lora($"{part}", (int)Rows[part], 41, ranks[part], scales[part], types[part])))];
        double[] expected = Expected(updates, 41);
        Assert.True(FusedUpdate.Can([.. updates.Select(update => update.Delta)], 3));
        foreach (FactorType type in Enum.GetValues<FactorType>())
        {
            LowRankDelta fused = (LowRankDelta)new FusedUpdate(Whole, Rows, type, withValues: true).Of(updates);
            Assert.Equal((Whole, ranks.Sum()), (fused.Target, (int)fused.Rank));
            // Computed factors of half types kept in them are rounded to them; a type that is named is rounded to later, at once.
            double most = type == FactorType.Keep ? 1.0 / 256 : 1e-6;
            double[] actual = RegroupingSample.Update(fused);
            Assert.All(actual.Zip(expected), pair => Assert.InRange(pair.First - pair.Second, -most * (1e-9 + Bound(pair.Second)), most * (1e-9 + Bound(pair.Second))));
            LowRankDelta planned = (LowRankDelta)new FusedUpdate(Whole, Rows, type, withValues: false).Of(updates);
            Assert.Equal((fused.Down.Shape, fused.Up.Shape), (planned.Down.Shape, planned.Up.Shape));
        }

        // Sums of up to 60 products of at most 4, times the largest scale.
        double Bound(double value) => 60 * 4 * 2.75 + Math.Abs(value);
    }

    [Fact]
    public void FactorsThatNeedNoArithmeticKeepTheirBits()
    {
        RegroupingSample sample = new(1);
        (int, AdapterDelta)[] updates = [.. Enumerable.Range(0, 3).Select(part => (part, (AdapterDelta)sample.Lora($"{part}", (int)Rows[part], 41, part + 1, 0.3, DType.BF16)))];
        LowRankDelta fused = (LowRankDelta)new FusedUpdate(Whole, Rows, FactorType.Exact, withValues: true).Of(updates);
        Assert.Equal((DType.BF16, DType.BF16, 0.3, 6L), (fused.Down.DType, fused.Up.DType, fused.Scale, fused.Rank));
        Assert.Equal(Expected(updates, 41), RegroupingSample.Update(fused));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0.5)]
    public void OneAIsStoredOnce(double otherScale)
    {
        RegroupingSample sample = new(2);
        double[] down = sample.Values(4 * 41);
        (int, AdapterDelta)[] updates =
            [.. Enumerable.Range(0, 3).Select(part => (part, (AdapterDelta)sample.Lora($"{part}", (int)Rows[part], 41, 4, part == 1 ? otherScale : 1, DType.F16, sample.Tensor(DType.F16, [4, 41], down))))];
        LowRankDelta fused = (LowRankDelta)new FusedUpdate(Whole, Rows, FactorType.Exact, withValues: true).Of(updates);
        Assert.Equal(4, fused.Rank);
        Assert.Equal(down, fused.Down.ToDoubles());
        Assert.Equal(Expected(updates, 41), RegroupingSample.Update(fused));
        Assert.Equal(12, ((LowRankDelta)new FusedUpdate(Whole, Rows, FactorType.Exact, withValues: false).Of(updates)).Rank);
    }

    [Theory]
    [InlineData(3, 2, 1)]
    [InlineData(4, 4, 4)]
    [InlineData(1, 0, 0)]
    [InlineData(0, 0, 2)]
    public void WhatWasPutTogetherComesApart(int q, int k, int v)
    {
        RegroupingSample sample = new(3 + q);
        int[] ranks = [q, k, v];
        (int Part, AdapterDelta Delta)[] updates =
            [.. Enumerable.Range(0, 3).Where(part => ranks[part] > 0).Select(part => (part, (AdapterDelta)sample.Lora($"{part}", (int)Rows[part], 41, ranks[part], 0.3, DType.BF16)))];
        ParameterName[] names = [.. Enumerable.Range(0, 3).Select(part => RegroupingSample.Name($"{part}"))];
        AdapterDelta[] back = [.. DividedUpdate.Of(new FusedUpdate(Whole, Rows, FactorType.Exact, true).Of(updates), Rows, names, withValues: true)];
        Assert.Equal(updates.Select(update => update.Delta.Target), back.Select(delta => delta.Target));
        foreach ((AdapterDelta before, AdapterDelta after) in updates.Select(update => update.Delta).Zip(back))
        {
            Assert.Equal(((LowRankDelta)before).Down.ToDoubles(), ((LowRankDelta)after).Down.ToDoubles());
            Assert.Equal(((LowRankDelta)before).Up.ToDoubles(), ((LowRankDelta)after).Up.ToDoubles());
            Assert.Equal(((LowRankDelta)before).Scale, ((LowRankDelta)after).Scale);
        }
    }

    [Fact]
    public void FullDifferencesAndBiases()
    {
        RegroupingSample sample = new(4);
        foreach (long[] columns in (long[][])[[7], []])
        {
            (int, AdapterDelta)[] updates = [.. Enumerable.Range(0, 3).Select(part => (part, (AdapterDelta)new DenseDelta(RegroupingSample.Name($"{part}"), sample.Tensor(part == 1 ? DType.BF16 : DType.F32, [Rows[part], .. columns]), part - 1)))];
            AdapterDelta fused = new FusedUpdate(Whole, Rows, FactorType.Exact, withValues: true).Of(updates);
            Assert.Equal(updates.SelectMany(update => RegroupingSample.Update(update.Item2)), RegroupingSample.Update(fused));
        }
    }

    [Fact]
    public void DoraOfOutputsNeedsAllParts()
    {
        RegroupingSample sample = new(5);
        MagnitudeDelta[] parts =
            [.. Enumerable.Range(0, 3).Select(part => new MagnitudeDelta(sample.Lora($"{part}", (int)Rows[part], 41, part + 1, 0.5), sample.Tensor(DType.F32, [Rows[part]]), MagnitudeAxis.Output, epsilon: 0.25))];
        Assert.True(FusedUpdate.Can(parts, 3));
        Assert.False(FusedUpdate.Can(parts[..2], 3));
        MagnitudeDelta fused = (MagnitudeDelta)new FusedUpdate(Whole, Rows, FactorType.Exact, true).Of([.. parts.Select((part, i) => (i, (AdapterDelta)part))]);
        Assert.Equal(parts.SelectMany(part => part.Magnitude!.ToDoubles()), fused.Magnitude!.ToDoubles());
        Assert.Equal(Expected([.. parts.Select((part, i) => (i, part.Inner))], 41), RegroupingSample.Update(fused.Inner));
        Assert.Equal(0.25, fused.Epsilon);
    }

    [Fact]
    public void KindsAreNotMixed()
    {
        RegroupingSample sample = new(6);
        AdapterDelta[] parts = [sample.Lora("0", 37, 41, 2, 1), new DenseDelta(RegroupingSample.Name("1"), sample.Tensor(DType.F32, [5, 41]), 1)];
        Assert.False(FusedUpdate.Can(parts, 3));
        UnsupportedException error = Assert.Throws<UnsupportedException>(() => new FusedUpdate(Whole, Rows, FactorType.Exact, true).Of([(0, parts[0]), (1, parts[1])]));
        Assert.Contains("'1.weight' is of kind dense", error.Message);
    }

    private static double[] Expected(IReadOnlyList<(int Part, AdapterDelta Delta)> updates, int columns)
    {
        double[] whole = new double[Rows.Sum() * columns];
        foreach ((int part, AdapterDelta delta) in updates) RegroupingSample.Update(delta).CopyTo(whole, Rows[..part].Sum() * columns);
        return whole;
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Conversion.Regrouping;

namespace LoraKit.Ops.Tests.Conversion.Regrouping;

/// <summary>Each part's update is its rows of the whole's, to the bit.</summary>
public class DividedUpdateTests
{
    private static readonly int[] Rows = [37, 5, 11];
    private static readonly ParameterName[] Names = [RegroupingSample.Name("q"), RegroupingSample.Name("k"), RegroupingSample.Name("v")];

    [Theory]
    [InlineData(1, 1, DType.F32)]
    [InlineData(7, 0.3, DType.BF16)]
    [InlineData(60, -2.5, DType.F16)]
    [InlineData(4, 0, DType.F64)]
    public void ADenseOneGivesEveryPartTheWholeOfA(int rank, double scale, DType type)
    {
        LowRankDelta whole = new RegroupingSample(rank).Lora("qkv", 53, 53, rank, scale, type);
        AdapterDelta[] parts = Divide(whole);
        Assert.Equal(["q", "k", "v"], parts.Select(part => part.Target.Module.Path));
        Assert.All(parts, part => Assert.Same(whole.Down, ((LowRankDelta)part).Down));
        Assert.All(parts, part => Assert.Equal(type, ((LowRankDelta)part).Up.DType));
        AssertRows(whole, parts, [0, 1, 2]);
    }

    [Theory]
    [InlineData(3, 3, 3)]
    [InlineData(1, 5, 2)]
    [InlineData(0, 4, 1)]
    [InlineData(2, 0, 0)]
    [InlineData(0, 1, 0)]
    public void ABlockDiagonalOneGivesEachItsOwn(int q, int k, int v)
    {
        RegroupingSample sample = new(q + (10 * k));
        int[] ranks = [q, k, v];
        LowRankDelta whole = sample.Lora("qkv", 53, 41, q + k + v, 0.7, DType.BF16, up: sample.BlockDiagonal(Rows, ranks));
        AdapterDelta[] parts = Divide(whole);
        int[] present = [.. Enumerable.Range(0, 3).Where(part => ranks[part] > 0)];
        Assert.Equal(present.Select(part => (long)ranks[part]), parts.Select(part => ((LowRankDelta)part).Rank));
        Assert.Equal(present.Select(part => Names[part]), parts.Select(part => part.Target));
        AssertRows(whole, parts, present);
    }

    [Fact]
    public void WithoutValuesAllPartsHaveThePlansShapes()
    {
        RegroupingSample sample = new(5);
        LowRankDelta whole = sample.Lora("qkv", 53, 41, 9, 1, up: sample.BlockDiagonal(Rows, [3, 3, 3]));
        Assert.Equal([9, 9, 9], DividedUpdate.Of(whole, [37, 5, 11], Names, withValues: false).Select(part => ((LowRankDelta)part).Rank));
    }

    [Fact]
    public void AConvolutionOfOneElementStaysOne()
    {
        RegroupingSample sample = new(6);
        LowRankDelta whole = new(Names[0], sample.Tensor(DType.F32, [9, 41, 1, 1]), sample.Tensor(DType.F32, [53, 9, 1, 1], sample.BlockDiagonal(Rows, [3, 3, 3])), 2, 18, WeightOrientation.OutIn);
        AdapterDelta[] parts = Divide(whole);
        Assert.All(parts, part => Assert.Equal((3, 4), (((LowRankDelta)part).Rank, ((LowRankDelta)part).Up.Shape.Rank)));
        AssertRows(whole, parts, [0, 1, 2]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DoraOfOutputsKeepsEachRowsMagnitude(bool isBlocks)
    {
        RegroupingSample sample = new(7);
        LowRankDelta inner = sample.Lora("qkv", 53, 41, 6, 0.5, up: isBlocks ? sample.BlockDiagonal(Rows, [2, 0, 4]) : null);
        MagnitudeDelta whole = new(inner, sample.Tensor(DType.F16, [53, 1]), MagnitudeAxis.Output, DoraNorm.Base, 0.25);
        Assert.True(RowsOfUpdate.Has(whole));
        MagnitudeDelta[] parts = [.. Divide(whole).Cast<MagnitudeDelta>()];
        // A part without an update of its own is still scaled.
        Assert.Equal(3, parts.Length);
        Assert.Equal(whole.Magnitude!.ToDoubles(), parts.SelectMany(part => part.Magnitude!.ToDoubles()));
        Assert.All(parts, part => Assert.Equal((DoraNorm.Base, 0.25, MagnitudeAxis.Output), (part.Norm, part.Epsilon, part.Axis)));
        AssertRows(inner, [.. parts.Select(part => part.Inner)], [0, 1, 2]);
    }

    [Fact]
    public void AFullDifferenceAndABiasAreTheirRows()
    {
        RegroupingSample sample = new(8);
        DenseDelta matrix = new(RegroupingSample.Name("qkv"), sample.Tensor(DType.BF16, [53, 7]), -0.5), vector = new(new(new("qkv"), "bias"), sample.Tensor(DType.F32, [53]), 3);
        foreach (DenseDelta whole in (DenseDelta[])[matrix, vector])
        {
            Assert.Equal(RegroupingSample.Update(whole), Divide(whole).SelectMany(RegroupingSample.Update));
        }
    }

    private static AdapterDelta[] Divide(AdapterDelta whole) => [.. DividedUpdate.Of(whole, [.. Rows.Select(rows => (long)rows)], Names, withValues: true)];

    private static void AssertRows(LowRankDelta whole, AdapterDelta[] parts, int[] present)
    {
        double[] expected = RegroupingSample.Update(whole);
        int columns = (int)whole.InFeatures;
        Dictionary<int, double[]> actual = present.Zip(parts).ToDictionary(pair => pair.First, pair => RegroupingSample.Update(pair.Second));
        for (int part = 0, row = 0; part < Rows.Length; row += Rows[part], part++)
        {
            double[] rows = expected[(row * columns)..((row + Rows[part]) * columns)];
            if (actual.TryGetValue(part, out double[]? values)) Assert.Equal(rows, values);
            else Assert.All(rows, value => Assert.Equal(0, value));
        }
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Rescale;
using LoraKit.Ops.Tests.Adapters;

namespace LoraKit.Ops.Tests.Rescale;

/// <summary>‖s·B·A‖ against the dense matrix, below, at and far above the rank where B·A is the smaller thing.</summary>
public sealed class UpdateNormTests
{
    [Theory]
    [InlineData(37, 53, 4)]
    [InlineData(37, 53, 21)]
    [InlineData(37, 53, 22)]
    [InlineData(37, 53, 80)]
    [InlineData(1, 1, 1)]
    [InlineData(1, 1, 60_000)]
    [InlineData(2, 3, 50_000)]
    public void IsThatOfTheDenseMatrix(int rows, int columns, int rank)
    {
        Random random = new(rank);
        double[] up = Values(rows * rank), down = Values(rank * columns);
        LowRankDelta delta = new(new(new("m"), "weight"), new MemoryTensor("A", new(rank, columns), down), new MemoryTensor("B", new(rows, rank), up), -1.7, 1);
        double expected = DeltaOracle.Norm(DeltaOracle.Product(up, down, rows, columns, rank, rank, -1.7));
        Assert.Equal(1, UpdateNorm.Of(delta) / expected, 1e-12);

        double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextDouble() - 0.5)];
    }

    [Theory]
    [InlineData(-600)]
    [InlineData(-100)]
    [InlineData(0)]
    [InlineData(600)]
    public void AVectorsNormIsRightAtTheEndsOfTheRange(int exponent)
    {
        double[] values = [.. new double[] { 3, -4, 0, 12 }.Select(v => Math.ScaleB(v, exponent))];
        Assert.Equal(Math.ScaleB(13, exponent), FrobeniusNorm.Of(values));
        Assert.Equal(0, FrobeniusNorm.Of([0, 0]));
        Assert.Equal(0, FrobeniusNorm.Of([]));
    }
}

using LoraKit.Ops.Conversion.Regrouping;

namespace LoraKit.Ops.Tests.Conversion.Regrouping;

/// <summary>Which columns of B are a part's own, by values alone.</summary>
public class RankBlocksTests
{
    private static readonly long[] Parts = [2, 1, 3];

    [Fact]
    public void ColumnsOfOnePartEachAreItsBlock() => Assert.Equal(
        [(0, 2), (2, 1), (3, 3)], RankBlocks.Of(new RegroupingSample(1).BlockDiagonal([2, 1, 3], [2, 1, 3]), 6, Parts));

    [Fact]
    public void EqualBlocksKeepTheirColumnsOfZeros()
    {
        double[] up = new RegroupingSample(2).BlockDiagonal([2, 1, 3], [2, 2, 2]);
        foreach (int column in (int[])[1, 2, 3])
        {
            for (int row = 0; row < 6; row++) up[(row * 6) + column] = 0;
        }

        Assert.Equal([(0, 2), (2, 2), (4, 2)], RankBlocks.Of(up, 6, Parts));
    }

    [Fact]
    public void APartWithoutColumnsHasNone()
    {
        double[] up = new RegroupingSample(3).BlockDiagonal([2, 1, 3], [2, 0, 3]);
        IReadOnlyList<(long First, long Columns)> blocks = RankBlocks.Of(up, 5, Parts)!;
        Assert.Equal([2, 0, 3], blocks.Select(block => block.Columns));
        Assert.Equal((0, 2), (blocks[0].First, blocks[2].First));
    }

    [Fact]
    public void OneColumnOfOnePartIsItsBlock() => Assert.Equal(
        [0, 1, 0], RankBlocks.Of([0, 0, 5, 0, 0, 0], 1, Parts)!.Select(block => block.Columns));

    [Fact]
    public void AColumnOfTwoPartsMakesItDense()
    {
        double[] up = new RegroupingSample(4).BlockDiagonal([2, 1, 3], [2, 2, 2]);
        up[(5 * 6) + 0] = 1e-300;
        Assert.Null(RankBlocks.Of(up, 6, Parts));
    }

    [Fact]
    public void BlocksOutOfOrderAreNoBlocks()
    {
        // Columns 0 and 2 are of the last part, column 1 of the first.
        double[] up = new double[18];
        (up[(5 * 3) + 0], up[(0 * 3) + 1], up[(4 * 3) + 2]) = (1, 1, 1);
        Assert.Null(RankBlocks.Of(up, 3, Parts));
    }

    [Fact]
    public void NothingButZerosIsDense() => Assert.Null(RankBlocks.Of(new double[36], 6, Parts));
}

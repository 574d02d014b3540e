using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Tensors;

/// <summary>Rows and blocks of tensors, read whole and by any range of bytes.</summary>
public class PlacedRowsTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(3, 4)]
    [InlineData(6, 1)]
    [InlineData(0, 7)]
    public void RowsAreTheSources(int first, int rows)
    {
        TensorValue source = Tensor(1, 7, 5, 3);
        TensorRows taken = new(source, first, rows);
        Assert.Equal(new TensorShape(rows, 5, 3), taken.Shape);
        Assert.Equal(source.ToDoubles()[(first * 15)..((first + rows) * 15)], taken.ToDoubles());
        AssertRanges(taken);
    }

    [Theory]
    [InlineData(-1, 2)]
    [InlineData(6, 2)]
    [InlineData(long.MaxValue, 1)]
    public void RowsThatAreNotThereAreRefused(long first, long rows) => Assert.Throws<ArgumentOutOfRangeException>(() => new TensorRows(Tensor(1, 7, 5), first, rows));

    [Fact]
    public void BlocksLieWhereTheyArePut()
    {
        Random random = new(5);
        for (int trial = 0; trial < 50; trial++)
        {
            int rows = random.Next(1, 9), left = random.Next(0, 4), right = random.Next(0, 4), below = random.Next(1, 7);
            int width = random.Next(1, 6), all = left + width + right;
            // One block at a place of its own, one over all columns below it, and rows of zeros after both.
            TensorValue one = Tensor(trial, rows, width), two = Tensor(trial + 100, below, all);
            BlockMatrix whole = new("whole", new TensorShape(rows + below + 2, all), new MatrixBlock(one, 0, left), new MatrixBlock(two, rows, 0));
            double[] expected = new double[(rows + below + 2) * all];
            double[] first = one.ToDoubles();
            for (int i = 0; i < rows; i++) first.AsSpan(i * width, width).CopyTo(expected.AsSpan((i * all) + left));
            two.ToDoubles().CopyTo(expected, rows * all);
            Assert.Equal(expected, whole.ToDoubles());
            AssertRanges(whole);
        }
    }

    [Fact]
    public void BlocksThatLeaveTheMatrixOrDifferInTypeAreRefused()
    {
        TensorValue block = Tensor(1, 2, 3);
        Assert.Throws<ArgumentException>(() => new BlockMatrix("m", new TensorShape(2, 3), new MatrixBlock(block, 1, 0)));
        Assert.Throws<ArgumentException>(() => new BlockMatrix("m", new TensorShape(2, 3), new MatrixBlock(block, 0, 1)));
        Assert.Throws<ArgumentException>(() => new BlockMatrix("m", new TensorShape(4, 3), new MatrixBlock(block, 0, 0), new MatrixBlock(new MemoryTensor("d", new TensorShape(2, 3), new double[6]), 2, 0)));
        Assert.Throws<ArgumentException>(() => new BlockMatrix("m", new TensorShape(2, 3)));
    }

    private static MemoryTensor Tensor(int seed, params long[] shape)
    {
        Random random = new(seed);
        return new("t", new TensorShape(shape), [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => random.NextSingle() - 0.5f)]);
    }

    private static void AssertRanges(TensorValue tensor)
    {
        byte[] all = new byte[tensor.Shape.ElementCount * tensor.DType.Bytes()];
        tensor.ReadBytes(0, all);
        Random random = new(7);
        for (int i = 0; i < 40; i++)
        {
            int start = random.Next(all.Length), count = random.Next(all.Length - start + 1);
            byte[] part = [.. Enumerable.Repeat((byte)0xAA, count)];
            tensor.ReadBytes(start, part);
            Assert.Equal(all[start..(start + count)], part);
        }
    }
}

using LoraKit.Formats.Adapters.Orthogonal;

namespace LoraKit.Formats.Tests.Adapters.Orthogonal;

/// <summary>Rotations against their defining equations, in naive loops.</summary>
public class CayleyTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(37)]
    public void RotationTimesOnePlusQIsOneMinusQ(int size)
    {
        double[] q = Skew(size, 3);
        AssertSame(Sum(size, (q, -1)), Product(Cayley.Rotation(q, size), Sum(size, (q, 1)), size));
        AssertSame(Sum(size, (q, 1)), Product(Cayley.InverseRotation(q, size), Sum(size, (q, -1)), size));
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(1)]
    [InlineData(1000)]
    public void RotationIsOrthogonalAndItsTransposeTheInverse(double magnitude)
    {
        double[] q = Skew(13, magnitude);
        double[] rotation = Cayley.Rotation(q, 13);
        AssertSame(Sum(13), Product(rotation, Cayley.Transpose(rotation, 13), 13));
        AssertSame(Cayley.InverseRotation(q, 13), Cayley.Transpose(rotation, 13));
    }

    [Fact]
    public void PivotsWhereTheDiagonalIsSmall() // I + Q has ones on its diagonal, and what is beside them is far larger
    {
        double[] q = [0, 1e9, -3, -1e9, 0, 5, 3, -5, 0];
        double[] rotation = Cayley.Rotation(q, 3);
        AssertSame(Sum(3), Product(rotation, Cayley.Transpose(rotation, 3), 3));
    }

    [Fact]
    public void NeumannTakesTheLastPowerOnce()
    {
        double[] q = Skew(5, 1);
        double[] q2 = Product(q, q, 5), q3 = Product(q2, q, 5), q4 = Product(q3, q, 5);
        AssertSame(Sum(5), Cayley.Neumann(q, 5, 0));
        AssertSame(Sum(5), Cayley.Neumann(q, 5, 1));
        AssertSame(Sum(5, (q, 2)), Cayley.Neumann(q, 5, 2));
        AssertSame(Sum(5, (q, 2), (q2, 2), (q3, 1)), Cayley.Neumann(q, 5, 3));
        AssertSame(Sum(5, (q, 2), (q2, 2), (q3, 1)), Cayley.Neumann(q, 5, 4));
        AssertSame(Sum(5, (q, 2), (q2, 2), (q3, 2), (q4, 1)), Cayley.Neumann(q, 5, 5));
    }

    [Fact]
    public void NeumannBeforePeft018TakesEveryPowerTwice()
    {
        double[] q = Skew(5, 1);
        double[] q2 = Product(q, q, 5), q3 = Product(q2, q, 5);
        AssertSame(Sum(5), Cayley.DoubledNeumann(q, 5, 1));
        AssertSame(Sum(5, (q, 2)), Cayley.DoubledNeumann(q, 5, 2));
        AssertSame(Sum(5, (q, 2), (q2, 2)), Cayley.DoubledNeumann(q, 5, 3));
        AssertSame(Sum(5, (q, 2), (q2, 2), (q3, 2)), Cayley.DoubledNeumann(q, 5, 4));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(6, 4)]
    [InlineData(496, 32)]
    [InlineData(8386560, 4096)]
    public void SizeOfATriangle(long values, int size) => Assert.Equal(size, SkewSymmetric.SizeOf(values));

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(-3)]
    [InlineData(long.MaxValue)]
    public void NoTriangle(long values) => Assert.Null(SkewSymmetric.SizeOf(values));

    [Fact]
    public void SkewMatrices()
    {
        Assert.Equal([0, 1, 2, -1, 0, 3, -2, -3, 0], SkewSymmetric.FromUpperTriangle([1, 2, 3], 3));
        Assert.Equal([0, -1.5, 1.5, 0], SkewSymmetric.OfDifference([7, 2, 5, 9], 2, 0.5));
    }

    [Fact]
    public void BlocksMultiplyARowEachItsPart()
    {
        double[] result = new double[4];
        new BlockDiagonal([1, 2, 3, 4, 5, 6, 7, 8], 2).Multiply([1, 10, 100, 1000], 4, result);
        Assert.Equal([31, 42, 7500, 8600], result);
        new BlockDiagonal([1, 2, 3, 4], 2).Multiply([1, 10, 100, 1000], 4, result);
        Assert.Equal([31, 42, 3100, 4200], result);
    }

    /// <summary>Each element is the sum of its terms in order, whichever loop makes it and however many rows there are.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 4)]
    [InlineData(7, 5)]
    [InlineData(8, 3)]
    [InlineData(13, 6)]
    [InlineData(32, 9)]
    public void BlocksMultiplyRowsToTheBit(int size, int rows)
    {
        Random random = new(size);
        int columns = 3 * size;
        double[] blocks = [.. Enumerable.Range(0, columns * size).Select(_ => random.NextDouble() - 0.5)];
        double[] values = [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextDouble() - 0.5)];
        double[] expected = new double[values.Length], result = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = (i / columns * columns, i % columns);
            for (int j = 0, first = column / size * size; j < size; j++)
            {
                double product = values[row + first + j] * blocks[((first + j) * size) + (column % size)];
                expected[i] += product;
            }
        }

        new BlockDiagonal(blocks, size).Multiply(values, columns, result);
        Assert.Equal(expected, result);
    }

    private static double[] Skew(int size, double magnitude)
    {
        Random random = new(size);
        double[] values = [.. Enumerable.Range(0, size * (size - 1) / 2).Select(_ => magnitude * ((2 * random.NextDouble()) - 1))];
        return SkewSymmetric.FromUpperTriangle(values, size);
    }

    private static double[] Sum(int size, params (double[] Matrix, double Factor)[] terms) =>
        [.. Enumerable.Range(0, size * size).Select(i => (i % (size + 1) == 0 ? 1 : 0) + terms.Sum(t => t.Matrix[i] * t.Factor))];

    private static double[] Product(double[] left, double[] right, int size) =>
        [.. Enumerable.Range(0, size * size).Select(i => Enumerable.Range(0, size).Sum(k => left[(i / size * size) + k] * right[(k * size) + (i % size)]))];

    private static void AssertSame(double[] expected, double[] actual)
    {
        double largest = expected.Max(Math.Abs);
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-9 * largest));
    }
}

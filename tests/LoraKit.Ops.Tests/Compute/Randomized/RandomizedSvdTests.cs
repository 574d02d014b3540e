using LoraKit.Formats;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Tests.Compute.Randomized;

/// <summary>The randomized SVD against what it approximates: known spectra, the exact decomposition, naive sums.</summary>
public sealed class RandomizedSvdTests
{
    public static TheoryData<string> Backends => ComputeBackends.Names;

    public static TheoryData<int, int> Sizes => new() { { 37, 53 }, { 53, 37 }, { 300, 200 }, { 129, 515 }, { 1, 70 }, { 70, 1 }, { 1, 1 } };

    [Theory]
    [MemberData(nameof(Backends))]
    public void A_decaying_spectrum_comes_back(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        double[] spectrum = [.. Enumerable.Range(0, 60).Select(i => 3 * Math.Pow(0.8, i))];
        MatrixRows x = MatrixRows.WithSpectrum(211, 190, spectrum, new Random(1));
        ApproximateSvd svd = RandomizedSvd.Run(x, new() { Rank = 8 }, compute);
        Assert.Equal(8, svd.Rank);
        for (int i = 0; i < 8; i++) Assert.Equal(spectrum[i], svd.SingularValues[i], 1e-6 * spectrum[0]);
        double total = spectrum.Sum(s => s * s);
        Assert.Equal(total, svd.TotalEnergy, 1e-12 * total);
        Assert.Equal(Math.Sqrt(spectrum.Skip(8).Sum(s => s * s) / total), svd.RelativeError, 1e-6);
        AssertHonest(x, svd);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void The_error_is_within_a_hundredth_of_the_best(int rows, int columns)
    {
        foreach (MatrixRows x in Matrices(rows, columns))
        {
            foreach (int rank in (int[])[1, 4, 16, 60])
            {
                using SimdCompute compute = new();
                ApproximateSvd svd = RandomizedSvd.Run(x, new() { Rank = rank }, compute);
                double[] exact = Spectrum(x);
                double best = Math.Sqrt(exact.Skip(rank).Sum(s => s * s) / exact.Sum(s => s * s));
                Assert.InRange(svd.RelativeError, best * (1 - 1e-9), (best * 1.01) + 1e-9);
                AssertHonest(x, svd);
            }
        }
    }

    [Fact]
    public void A_low_rank_matrix_comes_back_at_its_rank()
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.WithSpectrum(180, 240, [5, 2, 1e-3, 1e-6], new Random(2));
        foreach (RandomizedSvdOptions options in (RandomizedSvdOptions[])[new() { Rank = 16 }, new() { MaxError = 1e-9 }, new() { Energy = 1 - 1e-15 }])
        {
            ApproximateSvd svd = RandomizedSvd.Run(x, options, compute);
            AssertHonest(x, svd);
            Assert.InRange(svd.RelativeError, 0, options.Energy is null ? 1e-9 : 4e-8);
            Assert.InRange(svd.Rank, 3, 16);
        }

        ApproximateSvd rank4 = RandomizedSvd.Run(x, new() { MaxError = 1e-8 }, compute);
        Assert.Equal(4, rank4.Rank);
        Assert.Equal(1e-6, rank4.SingularValues[3], 1e-10);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.99)]
    [InlineData(1)]
    public void Energy_takes_the_fewest_values_that_keep_it(double energy)
    {
        using SimdCompute compute = new();
        foreach (MatrixRows x in Matrices(160, 130))
        {
            double[] exact = Spectrum(x);
            double total = exact.Sum(s => s * s);
            ApproximateSvd svd = RandomizedSvd.Run(x, new() { Energy = energy }, compute);
            Assert.InRange(1 - (svd.RelativeError * svd.RelativeError), energy - 1e-12, 1);
            int fewest = Enumerable.Range(1, exact.Length).First(k => exact.Take(k).Sum(s => s * s) >= (energy - 1e-14) * total);
            Assert.InRange(svd.Rank, 1, fewest + Math.Max(1, fewest / 20));
            AssertHonest(x, svd);
        }
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.1)]
    [InlineData(1e-3)]
    [InlineData(0)]
    public void The_error_bound_holds(double bound)
    {
        using SimdCompute compute = new();
        foreach (MatrixRows x in Matrices(130, 160))
        {
            ApproximateSvd svd = RandomizedSvd.Run(x, new() { MaxError = bound }, compute);
            Assert.InRange(x.ErrorOf(svd), 0, bound + 1e-13);
            AssertHonest(x, svd);
        }
    }

    [Fact]
    public void The_result_depends_neither_on_threads_nor_on_the_width()
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.Noise(700, 333, new Random(3));
        RandomizedSvdOptions options = new() { Energy = 0.4, Threads = 1 };
        ApproximateSvd expected = RandomizedSvd.Run(x, options, compute);
        foreach (SimdWidth width in Enum.GetValues<SimdWidth>().Where(SimdCompute.IsSupported))
        {
            foreach (int threads in (int[])[1, 2, 7])
            {
                ApproximateSvd actual = RandomizedSvd.Run(x, options with { Threads = threads, Width = width }, compute);
                Assert.Equal(expected.SingularValues, actual.SingularValues);
                Assert.Equal(expected.Left, actual.Left);
                Assert.Equal(expected.Right, actual.Right);
                Assert.Equal(expected.RelativeError, actual.RelativeError);
            }
        }
    }

    [Fact]
    public void Another_seed_is_another_sketch_of_the_same()
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.Noise(200, 150, new Random(4));
        ApproximateSvd one = RandomizedSvd.Run(x, new() { Rank = 8, Seed = 1 }, compute), two = RandomizedSvd.Run(x, new() { Rank = 8, Seed = 2 }, compute);
        Assert.NotEqual(one.Left, two.Left);
        Assert.Equal(one.RelativeError, two.RelativeError, 0.01 * one.RelativeError);
    }

    [Theory]
    [InlineData(1e-40)]
    [InlineData(1e-20)]
    [InlineData(1e20)]
    [InlineData(1e38)]
    public void The_scale_does_not_matter(double scale)
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.WithSpectrum(90, 80, [4 * scale, 2 * scale, scale, 0.5 * scale], new Random(5));
        ApproximateSvd svd = RandomizedSvd.Run(x, new() { Rank = 2 }, compute);
        Assert.Equal(4, svd.SingularValues[0] / scale, 1e-9);
        Assert.Equal(2, svd.SingularValues[1] / scale, 1e-9);
        AssertHonest(x, svd);
    }

    [Theory]
    [InlineData(80, 90)]
    [InlineData(8, 9)]
    [InlineData(0, 5)]
    [InlineData(5, 0)]
    public void Zero_has_rank_zero(int rows, int columns)
    {
        using SimdCompute compute = new();
        ApproximateSvd svd = RandomizedSvd.Run(new MatrixRows(new double[rows * columns], rows, columns), new() { Rank = 3 }, compute);
        Assert.Equal(0, svd.Rank);
        Assert.Equal(0, svd.RelativeError);
        Assert.Equal(0, svd.TotalEnergy);
    }

    [Theory]
    [InlineData(double.NaN, 90)]
    [InlineData(double.PositiveInfinity, 90)]
    [InlineData(double.NaN, 8)]
    public void A_value_that_is_not_finite_is_refused(double value, int size)
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.Noise(size, size, new Random(6));
        x.Values[size + 3] = value;
        Assert.Throws<NonFiniteException>(() => RandomizedSvd.Run(x, new() { Rank = 3 }, compute));
    }

    [Fact]
    public void Options_are_checked()
    {
        using SimdCompute compute = new();
        MatrixRows x = MatrixRows.Noise(9, 9, new Random(6));
        foreach (RandomizedSvdOptions options in (RandomizedSvdOptions[])
        [
            new(), new() { Rank = 1, Energy = 0.5 }, new() { Rank = 0 }, new() { Energy = 0 }, new() { Energy = 1.1 }, new() { Energy = double.NaN },
            new() { MaxError = 1 }, new() { MaxError = -0.1 }, new() { MaxError = double.NaN }, new() { Rank = 1, Oversampling = -1 },
            new() { Rank = 1, PowerIterations = 0 }, new() { Rank = 1, Threads = -1 },
        ])
        {
            Assert.Throws<InvalidOptionException>(() => RandomizedSvd.Run(x, options, compute));
        }
    }

    [Fact]
    public void It_can_be_cancelled()
    {
        using SimdCompute compute = new();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            RandomizedSvd.Run(MatrixRows.Noise(90, 90, new Random(7)), new() { Rank = 3 }, compute, new CancellationToken(true)));
    }

    private static IEnumerable<MatrixRows> Matrices(int rows, int columns)
    {
        Random random = new(rows);
        int smaller = Math.Min(rows, columns);
        yield return MatrixRows.Noise(rows, columns, random);
        yield return MatrixRows.WithSpectrum(rows, columns, [.. Enumerable.Repeat(1.0, smaller)], random);
        yield return MatrixRows.WithSpectrum(rows, columns, [.. Enumerable.Range(0, smaller).Select(i => Math.Pow(0.9, i))], random);
        yield return MatrixRows.WithSpectrum(rows, columns, [.. Enumerable.Range(1, smaller).Select(i => 1.0 / i)], random);
    }

    private static double[] Spectrum(MatrixRows x)
    {
        (int rows, int columns) = ((int)x.Rows, x.Columns);
        double[] identity = new double[columns * columns];
        for (int i = 0; i < columns; i++) identity[(i * columns) + i] = 1;
        using SimdCompute compute = new();
        using ILowRankSvd svd = compute.Decompose(new LowRankProduct(rows, columns, columns, x.Values, identity));
        return [.. svd.SingularValues];
    }

    /// <summary>The factors are orthonormal, and the error is what naive loops find.</summary>
    private static void AssertHonest(MatrixRows x, ApproximateSvd svd)
    {
        double error = x.ErrorOf(svd);
        Assert.Equal(error, svd.RelativeError, (1e-9 * error) + 1e-13);
        AssertOrthonormal(svd.Left, (int)x.Rows, svd.Rank);
        AssertOrthonormal(svd.Right, x.Columns, svd.Rank);
    }

    private static void AssertOrthonormal(double[] matrix, int rows, int columns)
    {
        for (int i = 0; i < columns; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double dot = 0;
                for (int k = 0; k < rows; k++) dot += matrix[(k * columns) + i] * matrix[(k * columns) + j];
                Assert.Equal(i == j ? 1 : 0, dot, 1e-11);
            }
        }
    }
}

using LoraKit.Formats;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>Left·Right = U·diag(σ)·Vᵀ over every backend, against the product formed by naive loops and against spectra that are known.</summary>
public sealed class DecomposeTests
{
    private static readonly (int Rows, int Columns, int Rank)[] Shapes =
    [
        (37, 53, 5), (53, 37, 8), (4, 53, 9), (37, 3, 7), (5, 4, 11), (8, 8, 8), (9, 9, 9), (16, 31, 17), (1, 1, 1), (1, 9, 3), (9, 1, 3), (1, 1, 5),
        (7, 9, 0), (300, 700, 33), (515, 256, 64), (600, 20, 70), (1030, 40, 12), (1300, 420, 300),
    ];

    public static TheoryData<string> Backends => ComputeBackends.Names;

    public static TheoryData<string, int, int, int> BackendsAndShapes =>
        new(from backend in ComputeBackends.Names from s in Shapes select (backend.Data, s.Rows, s.Columns, s.Rank));

    [Theory, MemberData(nameof(BackendsAndShapes))]
    public void The_product_comes_back_and_the_factors_are_orthonormal(string backend, int rows, int columns, int rank)
    {
        LowRankProduct product = DecomposeCase.Random(rows, columns, rank);

        DecomposeCase.Check(backend, product, 1e-13);
    }

    [Theory, MemberData(nameof(BackendsAndShapes))]
    public void Singles_are_computed_in_doubles(string backend, int rows, int columns, int rank)
    {
        LowRankProduct wide = DecomposeCase.Random(rows, columns, rank);
        LowRankProduct product = new(
            rows, columns, rank, Array.ConvertAll(wide.LeftDouble!, v => (float)v), Array.ConvertAll(wide.RightDouble!, v => (float)v));

        DecomposeCase.Check(backend, product, 1e-13);
    }

    [Theory, MemberData(nameof(Backends))]
    public void Known_spectra_are_found(string backend)
    {
        foreach (double[] spectrum in (double[][])
        [
            [3, 3, 3, 3, 3], [5, 2, 2, 2, 1e-3], [1, 1e-4, 1e-8, 1e-12, 0], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1e3, 1, 1, 1e-3, 1e-3],
            [.. Enumerable.Range(0, 40).Select(i => Math.Pow(0.7, i))], [.. Enumerable.Repeat(1.0, 40)],
        ])
        {
            LowRankProduct product = DecomposeCase.WithSpectrum(120, 90, spectrum);
            IReadOnlyList<double> found = DecomposeCase.Check(backend, product, 1e-13);
            for (int i = 0; i < spectrum.Length; i++) Assert.Equal(spectrum[i], found[i], 1e-13 * Math.Max(spectrum[0], 1e-300));
        }
    }

    [Theory, MemberData(nameof(Backends))]
    public void Factors_that_are_zero_or_repeat_themselves_still_have_orthonormal_vectors(string backend)
    {
        foreach ((int rows, int columns, int rank) in ((int, int, int)[])[(40, 30, 12), (600, 530, 20), (10, 30, 15)])
        {
            LowRankProduct random = DecomposeCase.Random(rows, columns, rank);
            DecomposeCase.Check(backend, new(rows, columns, rank, new double[rows * rank], random.RightDouble!), 1e-13);
            DecomposeCase.Check(backend, new(rows, columns, rank, random.LeftDouble!, new double[rank * columns]), 1e-13);
            DecomposeCase.Check(backend, new(rows, columns, rank, new float[rows * rank], new float[rank * columns]), 1e-13);

            // Every column the same; then the second half a copy of the first; then a zero row in the middle; then one that is the sum of others.
            DecomposeCase.Check(backend, DecomposeCase.Columns(random, k => (0, 1)), 1e-13);
            DecomposeCase.Check(backend, DecomposeCase.Columns(random, k => (k % (rank / 2), 1)), 1e-13);
            DecomposeCase.Check(backend, DecomposeCase.Columns(random, k => (k, k == rank / 2 ? 0 : 1)), 1e-13);
            DecomposeCase.Check(backend, DecomposeCase.Columns(random, k => (k / 3, k % 3 == 0 ? 1 : 1e-9)), 1e-13);
        }
    }

    [Theory, MemberData(nameof(Backends))]
    public void Columns_may_differ_in_scale_by_forty_orders_and_more(string backend)
    {
        foreach ((int rows, int columns, int rank) in ((int, int, int)[])[(40, 30, 12), (600, 530, 20), (10, 30, 15)])
        {
            LowRankProduct random = DecomposeCase.Random(rows, columns, rank);
            foreach (int range in (int[])[66, 300, 900])
            {
                // Large against small: the product is of ordinary size. Then all of the left one way; then both.
                DecomposeCase.Check(backend, DecomposeCase.Scaled(random, k => Spread(k, range), k => -Spread(k, range)), 1e-13);
                DecomposeCase.Check(backend, DecomposeCase.Scaled(random, k => Spread(k, range), _ => 0), 1e-13);
                DecomposeCase.Check(backend, DecomposeCase.Scaled(random, k => Spread(k, range / 2), k => Spread(rank - 1 - k, range / 2)), 1e-13);
            }

            // Whole factors whose entries overflow when they are squared, or vanish.
            DecomposeCase.Check(backend, DecomposeCase.Scaled(random, _ => 900, _ => -900), 1e-13);
            DecomposeCase.Check(backend, DecomposeCase.Scaled(random, _ => 1000, _ => 0), 1e-13);
            DecomposeCase.Check(backend, DecomposeCase.Scaled(random, _ => -400, _ => -400), 1e-13);

            // A zero takes no part, whatever it meets.
            LowRankProduct gap = DecomposeCase.Columns(random, k => (k, k == 3 ? 0 : 1));
            DecomposeCase.Check(backend, DecomposeCase.Scaled(gap, _ => -500, k => k == 3 ? 900 : -300), 1e-13);

            int Spread(int k, int range) => rank == 1 ? range : (2 * range * k / (rank - 1)) - range;
        }
    }

    [Theory, MemberData(nameof(Backends))]
    public void Terms_that_cancel_leave_rounding_in_the_size_of_the_terms(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        LowRankProduct random = DecomposeCase.Random(300, 53, 8);
        double[] left = [.. Enumerable.Range(0, 300 * 16).Select(i => (i % 16 < 8 ? 1 : -1) * random.LeftDouble![(i / 16 * 8) + (i % 8)])];
        using ILowRankSvd svd = compute.Decompose(new(300, 53, 16, left, [.. random.RightDouble!, .. random.RightDouble!]));
        double terms = 2 * Enumerable.Range(0, 8).Sum(k =>
            Math.Sqrt(Enumerable.Range(0, 300).Sum(i => Math.Pow(random.LeftDouble![(i * 8) + k], 2)))
            * Math.Sqrt(Enumerable.Range(0, 53).Sum(j => Math.Pow(random.RightDouble![(k * 53) + j], 2))));

        Assert.All(svd.SingularValues, s => Assert.InRange(s, 0, 1e-13 * terms));
        DecomposeCase.AssertOrthonormal(svd.Take(16).Left, 300, 16);
        DecomposeCase.AssertOrthonormal(svd.Take(16).Right, 53, 16);
    }

    [Theory, MemberData(nameof(Backends))]
    public void Rows_may_differ_in_scale(string backend)
    {
        LowRankProduct random = DecomposeCase.Random(600, 53, 20);
        double[] left = [.. random.LeftDouble!.Select((v, i) => v * Math.Pow(10, (i / 20 % 41) - 20))];
        double[] right = [.. random.RightDouble!.Select((v, i) => v * Math.Pow(10, 20 - (i % 53 % 41)))];

        DecomposeCase.Check(backend, new(600, 53, 20, left, right), 1e-13);
    }

    [Theory, MemberData(nameof(Backends))]
    public void Values_that_are_not_numbers_are_refused(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        foreach (double bad in (double[])[double.NaN, double.PositiveInfinity, double.NegativeInfinity])
        {
            foreach ((int rows, int columns, int rank) in ((int, int, int)[])[(40, 30, 12), (600, 530, 20), (10, 30, 15), (1, 1, 1)])
            {
                foreach (int at in (int[])[0, (rows * rank) - 1])
                {
                    LowRankProduct product = DecomposeCase.Random(rows, columns, rank);
                    product.LeftDouble![at] = bad;
                    Assert.Throws<NonFiniteException>(() => compute.Decompose(product));
                    product = DecomposeCase.Random(rows, columns, rank);
                    product.RightDouble![at % (rank * columns)] = bad;
                    Assert.Throws<NonFiniteException>(() => compute.Decompose(product));
                    LowRankProduct singles = new(rows, columns, rank, new float[rows * rank], new float[rank * columns]);
                    singles.LeftSingle![at] = (float)bad;
                    Assert.Throws<NonFiniteException>(() => compute.Decompose(singles));
                }
            }
        }
    }

    [Theory, MemberData(nameof(Backends))]
    public void A_product_beyond_the_range_is_refused(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        LowRankProduct product = DecomposeCase.Scaled(DecomposeCase.Random(40, 30, 12), _ => 600, _ => 600);

        string said = Assert.Throws<NonFiniteException>(() => compute.Decompose(product)).Message;

        Assert.Contains("beyond the range of F64", said);
    }

    [Theory, MemberData(nameof(Backends))]
    public void Some_of_the_vectors_are_the_first_of_all(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        using ILowRankSvd svd = compute.Decompose(DecomposeCase.Random(300, 53, 20));
        SingularVectors all = svd.Take(20);
        foreach (int count in (int[])[0, 1, 7, 8, 9, 19])
        {
            SingularVectors some = svd.Take(count);
            Assert.Equal(count, some.Rank);
            Assert.Equal(First(all.Left, 300), some.Left);
            Assert.Equal(First(all.Right, 53), some.Right);

            double[] First(double[] matrix, int rows) =>
                [.. Enumerable.Range(0, rows).SelectMany(i => matrix.AsSpan(i * 20, count).ToArray())];
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => svd.Take(21));
        Assert.Throws<ArgumentOutOfRangeException>(() => svd.Take(-1));
    }

    [Theory, MemberData(nameof(Backends))]
    public void Inputs_stay_as_they_are_and_every_thread_gets_the_same_bytes(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        LowRankProduct product = DecomposeCase.Scaled(DecomposeCase.Random(530, 300, 24), k => 30 * k, k => -30 * k);
        (double[] left, double[] right) = ([.. product.LeftDouble!], [.. product.RightDouble!]);
        (double[] Values, SingularVectors Vectors)[] results = new (double[], SingularVectors)[8];

        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using ILowRankSvd svd = compute.Decompose(product);
            results[i] = ([.. svd.SingularValues], svd.Take(24));
        });

        Assert.Equal(left, product.LeftDouble);
        Assert.Equal(right, product.RightDouble);
        Assert.All(results, r => Assert.Equal(results[0].Values, r.Values));
        Assert.All(results, r => Assert.Equal(results[0].Vectors.Left, r.Vectors.Left));
        Assert.All(results, r => Assert.Equal(results[0].Vectors.Right, r.Vectors.Right));
    }

    [Theory, MemberData(nameof(Backends))]
    public void What_is_disposed_gives_no_vectors(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        ILowRankSvd svd = compute.Decompose(DecomposeCase.Random(30, 20, 5));
        svd.Dispose();
        svd.Dispose();

        Assert.Throws<ObjectDisposedException>(() => svd.Take(5));
        Assert.Equal(5, svd.SingularValues.Count);
    }

    /// <summary>Two implementations that share nothing: values to 1e-10 of the largest, and the same best approximation at every gap.</summary>
    [Theory, MemberData(nameof(BackendsAndShapes))]
    public void Backends_agree(string backend, int rows, int columns, int rank)
    {
        LowRankProduct product = DecomposeCase.Columns(DecomposeCase.Random(rows, columns, rank), k => (k, Math.Pow(0.6, k)));
        using ICompute one = new SimdCompute();
        using ICompute other = ComputeBackends.Create(backend);
        using ILowRankSvd mine = one.Decompose(product);
        using ILowRankSvd others = other.Decompose(product);
        int count = mine.SingularValues.Count;
        Assert.Equal(count, others.SingularValues.Count);
        if (count == 0) return;
        double largest = mine.SingularValues[0];
        for (int i = 0; i < count; i++) Assert.Equal(mine.SingularValues[i], others.SingularValues[i], 1e-10 * largest);
        int kept = Math.Min(3, count);
        double[] expected = DecomposeCase.Product(mine, kept, rows, columns);
        double[] actual = DecomposeCase.Product(others, kept, rows, columns);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-10 * largest);
    }
}

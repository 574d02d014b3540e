using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.PeftSemantics;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack.PeftSemantics;

/// <summary>What PEFT's <c>add_weighted_adapter</c> saved, over every backend.</summary>
public sealed class PeftConformanceTests
{
    private const double Tolerance = 1e-5;

    public static IEnumerable<TheoryDataRow<string, string>> Cases(bool random) =>
        from folder in Directory.GetDirectories(Paths.Fixture("peft-combine"))
        let name = Path.GetFileName(folder)
        where name.StartsWith("dare", StringComparison.Ordinal) == random
        from backend in ComputeBackends.Names
        select new TheoryDataRow<string, string>(name, backend);

    [Theory]
    [MemberData(nameof(Cases), false)]
    public void Combines_as_PEFT_does(string name, string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        using CombinationCase combination = new(name);
        Assert.Equal(6, combination.Modules.Count());
        foreach (LowRankDelta expected in combination.Modules)
        {
            LowRankDelta actual = combination.Combine(expected, compute, NoRandomness);
            Assert.Equal(expected.Down.Shape, actual.Down.Shape);
            Assert.Equal(expected.Up.Shape, actual.Up.Shape);
            Assert.Equal(expected.Scale, actual.Scale);
            AssertClose(CombinationCase.Update(expected), CombinationCase.Update(actual));
            if (combination.Options.Type.IsSvd()) continue;

            // Without an SVD the factors themselves are determined.
            AssertClose(expected.Down.ToDoubles(), actual.Down.ToDoubles());
            AssertClose(expected.Up.ToDoubles(), actual.Up.ToDoubles());
        }
    }

    [Fact]
    public void All_eleven_types_are_there() => Assert.Equal(
        Enum.GetValues<PeftCombinationType>(),
        Directory.GetDirectories(Paths.Fixture("peft-combine")).Select(f =>
        {
            using CombinationCase combination = new(Path.GetFileName(f));
            return combination.Options.Type;
        }).Distinct().Order());

    // Every value that PEFT saved is the result of one of the masks, and the masks are no matter of taste: two adapters have four.
    [Theory]
    [InlineData("dare_linear")]
    [InlineData("dare_ties")]
    [InlineData("dare_ties-freq")]
    public void Random_results_are_those_of_some_mask(string name)
    {
        using SimdCompute compute = new();
        using CombinationCase combination = new(name);
        int[] hits = new int[4];
        foreach (LowRankDelta expected in combination.Modules)
        {
            LowRankDelta[] masked = [.. Enumerable.Range(0, 4).Select(mask =>
                combination.Combine(expected, compute, (adapter, _, _) => (mask >> adapter & 1) == 1 ? 0 : 1))];
            foreach (Func<LowRankDelta, TensorValue> factor in (Func<LowRankDelta, TensorValue>[])[d => d.Down, d => d.Up])
            {
                double[] values = factor(expected).ToDoubles();
                double[][] possible = [.. masked.Select(m => factor(m).ToDoubles())];
                double allowed = Tolerance * possible.Max(p => p.Max(Math.Abs));
                for (int i = 0; i < values.Length; i++)
                {
                    int hit = Array.FindIndex(possible, p => Math.Abs(p[i] - values[i]) <= allowed);
                    Assert.True(hit >= 0, $"{expected.Target} {factor(expected).Name}[{i}]: {values[i]:R} comes from no mask");
                    hits[hit]++;
                }
            }
        }

        Assert.All(hits, h => Assert.True(h > 0));
    }

    [Theory]
    [MemberData(nameof(Cases), true)]
    public void Random_results_have_PEFTs_shapes(string name, string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        using CombinationCase combination = new(name);
        foreach (LowRankDelta expected in combination.Modules)
        {
            Random random = new(7);
            LowRankDelta actual = combination.Combine(expected, compute, (_, _, _) => random.NextDouble());
            Assert.Equal(expected.Down.Shape, actual.Down.Shape);
            Assert.Equal(expected.Up.Shape, actual.Up.Shape);
            Assert.Equal(expected.Down.DType, actual.Down.DType);
        }
    }

    // Dividing by the density keeps the expectation: over many masks the mean of Σ w·s·(s·B·A) masked is that without masks.
    [Fact]
    public void Random_pruning_keeps_the_mean()
    {
        using SimdCompute compute = new();
        using CombinationCase combination = new("dare_linear_svd");
        LowRankDelta module = combination.Modules.First(m => m.OutFeatures == 12);
        double[] mean = new double[12 * 24];
        const int Draws = 400;
        Random random = new(11);
        for (int draw = 0; draw < Draws; draw++)
        {
            // At full rank the SVD loses nothing.
            double[] update = CombinationCase.Update(combination.Combine(module, compute, (_, _, _) => random.NextDouble(), newRank: 12));
            for (int i = 0; i < mean.Length; i++) mean[i] += update[i] / Draws;
        }

        double[] expected = new double[mean.Length];
        double[] variance = new double[mean.Length];
        foreach ((LowRankDelta part, double weight) in combination.Of(module).Zip(combination.Weights))
        {
            double[] update = CombinationCase.Update(part);
            for (int i = 0; i < expected.Length; i++)
            {
                double value = weight * part.Scale * update[i];
                expected[i] += value;
                variance[i] += value * value;
            }
        }

        // At density ½ a term's variance is its square.
        for (int i = 0; i < mean.Length; i++) Assert.Equal(expected[i], mean[i], 6 * Math.Sqrt(variance[i] / Draws));
    }

    private static double NoRandomness(int adapter, int tensor, long element) => throw new InvalidOperationException();

    private static void AssertClose(double[] expected, double[] actual)
    {
        double allowed = Tolerance * expected.Max(Math.Abs);
        Assert.True(allowed > 0);
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], allowed);
    }
}

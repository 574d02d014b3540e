using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.PeftSemantics;

namespace LoraKit.Ops.Tests.Stack.PeftSemantics;

/// <summary>Rules and peculiarities that the saved cases do not show.</summary>
public sealed class PeftCombinationTests
{
    private const PeftCombinationType Linear = PeftCombinationType.Linear;

    [Fact]
    public void Magnitude_pruning_floors_and_keeps_the_first_of_equals()
    {
        float[] kept = Prune([1, -3, 3, -1, 2, -2, 1], 0.5);
        Assert.Equal([0, -3, 3, -0f, 2, -0f, 0], kept);
        Assert.Equal(new float[7], Prune([1, -3, 3, -1, 2, -2, 1], 0.1).Select(Math.Abs));
        Assert.Equal([1, -3, 3, -1, 2, -2, 1], Prune([1, -3, 3, -1, 2, -2, 1], 1));
        Assert.Equal(new float[5], Prune(new float[5], 0.5));
    }

    // Worked by hand: votes 2 − 3 + 0.5 < 0, so only the second counts; equal votes count as positive; zeros never agree.
    [Theory]
    [InlineData(new float[] { 2, -3, 0.5f }, "Total", -1.5f)]
    [InlineData(new float[] { 2, -3, 0.5f }, "Frequency", 0.5625f)]
    [InlineData(new float[] { 1, -1, 0 }, "Total", 1)]
    [InlineData(new float[] { 0, 0, 0 }, "Total", 0)]
    public void Signs_are_elected_without_weights(float[] values, string method, float expected)
    {
        PeftCombinationOptions options = new(PeftCombinationType.Ties) { Density = 1, MajoritySign = Enum.Parse<PeftMajoritySign>(method) };
        float[] result = PeftArithmetic.Combine([.. values.Select(v => new[] { v })], [1, 0.5f, -1.75f], [DType.F32, DType.F32, DType.F32], options, (_, _) => 0);
        Assert.Equal(expected, Assert.Single(result));
    }

    [Fact]
    public void Linear_has_cross_terms_and_puts_the_sign_on_A()
    {
        PeftTerm[] terms = [Term([1], [2], 1, 4), Term([3], [5], 2, -0.5)];
        PeftFactors result = Combine(terms, new(Linear), 1);
        Assert.Equal(2 * 1 - 3, result.A[0]);
        Assert.Equal(2 * 2 + 5, result.B[0]);
    }

    [Fact]
    public void The_SVD_types_scale_twice()
    {
        PeftFactors result = Combine([Term([1, 0], [2, 3], 3, 0.5)], new(PeftCombinationType.Svd), 1);
        // 0.5 · 3 · (3 · B·A)
        Assert.Equal(9, result.B[0] * result.A[0], 1e-5);
        Assert.Equal(13.5, result.B[1] * result.A[0], 1e-5);
    }

    [Fact]
    public void Cat_pads_to_the_rank_of_the_adapters_and_rounds_twice()
    {
        float once = Rounded(1.2f);
        PeftFactors result = Combine([Term([once], [2], 3, 0.7, DType.BF16), Term([4], [5], 1, 1, DType.BF16)], new(PeftCombinationType.Cat), 3);
        Assert.Equal([Rounded(Rounded(once * 0.7f) * 3), 4, 0], result.A);
        Assert.Equal([2, 5, 0], result.B);
        Assert.Equal(DType.BF16, result.Type);

        static float Rounded(float value) => PeftRounding.Round([value], DType.BF16)[0];
    }

    [Fact]
    public void An_embeddings_factors_are_turned_both_ways()
    {
        // Canonical: Down [rank 2, dimension 3], Up [vocabulary 4, rank 2].
        LowRankDelta embedding = new(
            new(new("embed"), "weight"), Tensor("down", [2, 3], 1), Tensor("up", [4, 2], 10), 2, 4)
        { IsEmbedding = true };
        PeftFactors factors = PeftFactors.Of(embedding);
        Assert.Equal((3, 4, 2), (factors.Out, factors.In, factors.Rank));
        Assert.Equal([10, 12, 14, 16, 11, 13, 15, 17], factors.A);
        Assert.Equal([1, 4, 2, 5, 3, 6], factors.B);
        LowRankDelta back = factors.ToDelta(embedding, 2);
        Assert.True(back.IsEmbedding);
        Assert.Equal(embedding.Down.ToSingles(), back.Down.ToSingles());
        Assert.Equal(embedding.Up.ToSingles(), back.Up.ToSingles());
    }

    [Fact]
    public void A_convolution_keeps_its_kernel()
    {
        LowRankDelta convolution = new(new(new("conv"), "weight"), Tensor("down", [2, 3, 2, 2], 1), Tensor("up", [5, 2, 1, 1], 3), 1, 2);
        PeftFactors factors = Combine([new(PeftFactors.Of(convolution), 1, 1), new(PeftFactors.Of(convolution), 1, 1)], new(PeftCombinationType.Svd), 3);
        LowRankDelta result = factors.ToDelta(convolution, 1);
        Assert.Equal(new TensorShape(3, 3, 2, 2), result.Down.Shape);
        Assert.Equal(new TensorShape(5, 3, 1, 1), result.Up.Shape);
        double[] once = CombinationCase.Update(convolution), twice = CombinationCase.Update(result);
        for (int i = 0; i < once.Length; i++) Assert.Equal(2 * once[i], twice[i], 1e-3);
    }

    [Fact]
    public void Ranks_follow_PEFTs_rules()
    {
        Assert.Equal(9, PeftCombinationRules.NewRank(new(PeftCombinationType.Cat), [4, 3, 2]));
        Assert.Equal(4, PeftCombinationRules.NewRank(new(PeftCombinationType.TiesSvd), [4, 3, 2]));
        Assert.Equal(7, PeftCombinationRules.NewRank(new(PeftCombinationType.Svd) { SvdRank = 7 }, [4, 3, 2]));
        Assert.Equal(4, PeftCombinationRules.NewRank(new(Linear), [4, 4]));
        Assert.Contains("4, 3", Assert.Throws<InvalidOptionException>(() => PeftCombinationRules.NewRank(new(Linear), [4, 3])).Message);
        Assert.Equal(Linear, PeftCombinationRules.Effective(new(PeftCombinationType.Svd), 1).Type);
        Assert.Equal(PeftCombinationType.Svd, PeftCombinationRules.Effective(new(PeftCombinationType.Svd), 2).Type);
    }

    [Fact]
    public void Ranks_and_rsLoRA_come_from_the_configuration()
    {
        using Adapter adapter = new("a", "peft", null)
        {
            Deltas = [],
            Config = new((JsonObject)JsonNode.Parse("""{"peft_type": "LORA", "r": 4, "rank_pattern": {"x": 9, "y": 2}, "use_rslora": true}""")!),
        };
        Assert.Equal(9, PeftCombinationRules.Rank(adapter));
        Assert.Equal(3, PeftCombinationRules.ResultScale(adapter, 9));
    }

    [Theory]
    [InlineData("Ties", null)]
    [InlineData("Ties", -0.1)]
    [InlineData("DareLinear", 0.0)]
    [InlineData("DareTiesSvd", double.NaN)]
    public void A_density_that_makes_no_sense_is_refused(string type, double? density) => Assert.Throws<InvalidOptionException>(
        () => PeftCombinationRules.Check(new(Enum.Parse<PeftCombinationType>(type)) { Density = density }));

    [Fact]
    public void Shapes_that_do_not_agree_are_refused()
    {
        Assert.Throws<InvalidAdapterException>(() => Combine([Term([1], [2], 1, 1), Term([1, 2], [2], 1, 1)], new(PeftCombinationType.Cat), 2));
        PeftTerm wider = new(new([1, 2], [3, 4], 1, 1, 2, DType.F32), 1, 1);
        Assert.Throws<InvalidAdapterException>(() => Combine([Term([1], [2], 1, 1), wider], new(Linear), 2));
        Assert.Throws<InvalidAdapterException>(() => Combine([wider, wider], new(PeftCombinationType.Cat), 3));
        Assert.Throws<InvalidOptionException>(() => Combine([wider], new(PeftCombinationType.Svd), 2));
    }

    private static float[] Prune(float[] values, double density) => PeftArithmetic.Combine(
        [values], [1], [DType.F32], new(PeftCombinationType.MagnitudePrune) { Density = density }, (_, _) => throw new InvalidOperationException());

    private static PeftTerm Term(float[] a, float[] b, double scale, double weight, DType type = DType.F32) =>
        new(new(a, b, b.Length, a.Length, 1, type), scale, weight);

    private static PeftFactors Combine(PeftTerm[] terms, PeftCombinationOptions options, int newRank)
    {
        using SimdCompute compute = new();
        return PeftCombination.Combine("m", terms, options, newRank, compute, (_, _, _) => throw new InvalidOperationException());
    }

    private static MemoryTensor Tensor(string name, long[] shape, int first) =>
        new(name, new TensorShape(shape), [.. Enumerable.Range(first, (int)shape.Aggregate(1L, (x, y) => x * y)).Select(v => (float)v)]);
}

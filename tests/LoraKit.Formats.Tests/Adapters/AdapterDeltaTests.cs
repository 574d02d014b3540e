using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Adapters;

/// <summary>The canonical types keep their promises whoever makes them.</summary>
public sealed class AdapterDeltaTests
{
    private static readonly ParameterName Target = new(new("m.q"), "weight");

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void A_scale_is_finite(double scale)
    {
        MemoryTensor down = Zeros(2, 3);
        MemoryTensor up = Zeros(4, 2);
        Assert.Contains("m.q", Assert.Throws<InvalidAdapterException>(() => new LowRankDelta(Target, down, up, scale, 1)).Message);
        Assert.Contains("m.q", Assert.Throws<InvalidAdapterException>(() => new DenseDelta(Target, up, scale)).Message);
    }

    [Fact]
    public void Factors_chain_and_are_not_empty()
    {
        Assert.Equal((2, 4, 3), Sizes(new LowRankDelta(Target, Zeros(2, 3), Zeros(4, 2), 1, 1)));
        Assert.Equal((2, 4, 27), Sizes(new LowRankDelta(Target, Zeros(2, 3, 3, 3), Zeros(4, 2, 1, 1), 1, 1)));
        Assert.Throws<InvalidAdapterException>(() => new LowRankDelta(Target, Zeros(2, 3), Zeros(4, 3), 1, 1));
        Assert.Throws<InvalidAdapterException>(() => new LowRankDelta(Target, Zeros(2, 3), Zeros(4, 2, 2), 1, 1));
        Assert.Throws<InvalidAdapterException>(() => new LowRankDelta(Target, Zeros(2), Zeros(4, 2), 1, 1));
        Assert.Throws<InvalidAdapterException>(() => new LowRankDelta(Target, Zeros(0, 3), Zeros(4, 0), 1, 1));
        Assert.Throws<InvalidAdapterException>(() => new DenseDelta(Target, Zeros(0), 1));

        static (long, long, long) Sizes(LowRankDelta delta) => (delta.Rank, delta.OutFeatures, delta.InFeatures);
    }

    [Fact]
    public void Replaced_rows_are_as_many_as_the_values_and_distinct()
    {
        Assert.Equal([7L, 0], new Replacement(Target, Zeros(2, 3), [7, 0], "trainable_tokens").Rows!);
        Assert.Null(new Replacement(Target, Zeros(2, 3), null, "embedding").Rows);
        Assert.Throws<InvalidAdapterException>(() => new Replacement(Target, Zeros(2, 3), [7], "trainable_tokens"));
        Assert.Throws<InvalidAdapterException>(() => new Replacement(Target, Zeros(2, 3), [7, 7], "trainable_tokens"));
        Assert.Throws<InvalidAdapterException>(() => new Replacement(Target, Zeros(2, 3), [-1, 7], "trainable_tokens"));
        Assert.Throws<InvalidAdapterException>(() => new Replacement(Target, Zeros(), [0], "trainable_tokens"));
    }

    [Theory]
    [InlineData("model.layers.0.q_proj", "weight", "q_proj", "model.layers.0.q_proj.weight")]
    [InlineData("score", "bias", "score", "score.bias")]
    [InlineData("", "alpha", "", "alpha")]
    public void Names_are_dotted(string module, string parameter, string leaf, string path)
    {
        ParameterName name = new(new(module), parameter);
        Assert.Equal((leaf, path), (name.Module.Leaf, name.Path));
    }

    private static MemoryTensor Zeros(params long[] sizes)
    {
        TensorShape shape = new(sizes);
        return new MemoryTensor("zeros", shape, new float[shape.ElementCount]);
    }
}

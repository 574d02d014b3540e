using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class HcpTests
{
    private const string Module = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

    /// <summary>HCP saves alpha / rank under the name of alpha: it is the multiplier.</summary>
    [Theory]
    [InlineData("lora:", ".___.layer.W_down", ".___.layer.W_up")]
    [InlineData("", ".___.layer.W_down", ".___.layer.W_up")]
    [InlineData("", ".___.layer.lora_down.weight", ".___.layer.lora_up.weight")]
    public void Alpha_is_the_multiplier(string dictionary, string down, string up)
    {
        (string a, string b) = (dictionary + Module + down, dictionary + Module + up);
        FactorSample sample = new FactorSample().Tensor(a, DType.F16, 5, 53).Tensor(b, DType.F16, 37, 5).Values(dictionary + Module + ".___.alpha", DType.F32, [], 0.75);
        using Adapter adapter = sample.Read();
        Assert.Equal("hcp", adapter.Layout);
        Assert.Equal(sample.Product(b, a, turned: false, 0.75), FactorSample.Update(adapter, Module));
        Assert.Equal(3.75, ((LowRankDelta)adapter.Deltas[0]).Alpha);
    }

    [Fact]
    public void Biases_are_scaled_and_strangers_refused()
    {
        FactorSample sample = Pair().Tensor(Module + ".___.layer.bias", DType.F32, 3).Values(Module + ".___.alpha", DType.F32, [], 0.5);
        using Adapter adapter = sample.Read();
        DenseDelta bias = adapter.Deltas.OfType<DenseDelta>().Single();
        Assert.Equal((Module + ".bias", 0.5), (bias.Target.Path, bias.Scale));
        Pair().Tensor(Module + ".___.layer.odd", DType.F32, 3).Fails<InvalidAdapterException>("odd");
        Assert.Contains("not written", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("hcp").Write(adapter)).Message);
    }

    private static FactorSample Pair() => new FactorSample().Tensor(Module + ".___.layer.W_down", DType.F32, 4, 5).Tensor(Module + ".___.layer.W_up", DType.F32, 3, 4);
}

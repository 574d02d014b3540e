using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class XlabsTests
{
    [Theory]
    [InlineData("double_blocks.7.processor.qkv_lora1", "double_blocks.7.img_attn.qkv")]
    [InlineData("double_blocks.7.processor.proj_lora1", "double_blocks.7.img_attn.proj")]
    [InlineData("double_blocks.7.processor.qkv_lora2", "double_blocks.7.txt_attn.qkv")]
    [InlineData("double_blocks.7.processor.proj_lora2", "double_blocks.7.txt_attn.proj")]
    [InlineData("single_blocks.30.processor.proj_lora", "single_blocks.30.linear2")]
    public void Processors_are_the_original_model_s_weights(string processor, string module)
    {
        FactorSample sample = Pair(processor, 36);
        using Adapter adapter = sample.Read();
        Assert.Equal("xlabs", adapter.Layout);
        Assert.Equal(sample.Product(processor + ".up.weight", processor + ".down.weight", turned: false, 1), FactorSample.Update(adapter, module));
    }

    /// <summary>linear1 has more rows than these: no update of it in full, but of its first rows, which diffusers has by name.</summary>
    [Fact]
    public void Single_blocks_q_k_and_v_are_diffusers_weights()
    {
        const string Processor = "single_blocks.3.processor.qkv_lora";
        FactorSample sample = Pair(Processor, 36);
        using Adapter adapter = sample.Read();
        double[] whole = sample.Product(Processor + ".up.weight", Processor + ".down.weight", turned: false, 1);
        Assert.Equal(whole, ((string[])["to_q", "to_k", "to_v"]).SelectMany(part => FactorSample.Update(adapter, $"single_transformer_blocks.3.attn.{part}")));
        Assert.Equal(3, adapter.Deltas.Count);
    }

    [Fact]
    public void What_is_no_pair_of_them_is_refused()
    {
        Pair("single_blocks.3.processor.qkv_lora", 37).Fails<InvalidAdapterException>("rows of q, k and v");
        Pair("double_blocks.0.processor.qkv_lora1", 36).Tensor("double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight", DType.F32, 4, 4).Fails<InvalidAdapterException>("ip_adapter");
        Pair("double_blocks.0.processor.qkv_lora3", 36).Fails<UnsupportedException>("XLabs");
        new FactorSample().Tensor("double_blocks.0.processor.qkv_lora1.up.weight", DType.F32, 36, 4).Fails<InvalidAdapterException>("without its A");
        new FactorSample().Tensor("lora_controlnet", DType.F32).Tensor("input_blocks.1.0.in_layers.2.down", DType.F32, 4, 4).Fails<UnsupportedException>("ControlLoRA");
    }

    [Fact]
    public void It_is_not_written()
    {
        using Adapter adapter = Pair("double_blocks.0.processor.qkv_lora1", 36).Read();
        Assert.Contains("read, and not written", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("xlabs").Write(adapter)).Message);
    }

    private static FactorSample Pair(string processor, long rows) =>
        new FactorSample().Tensor(processor + ".down.weight", DType.BF16, 5, 53).Tensor(processor + ".up.weight", DType.BF16, rows, 5);
}

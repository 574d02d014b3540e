using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class DiffusersOldTests
{
    [Theory]
    [InlineData("unet.mid_block.attn1.processor.to_q_lora", "unet.mid_block.attn1.to_q")]
    [InlineData("mid_block.attn2.processor.to_out_lora", "mid_block.attn2.to_out.0")]
    [InlineData("unet.mid_block.attn1.processor.add_k_proj_lora", "unet.mid_block.attn1.add_k_proj")]
    [InlineData("unet.mid_block.attn1.to_out.0.lora", "unet.mid_block.attn1.to_out.0")]
    [InlineData("text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora", "text_encoder.text_model.encoder.layers.0.self_attn.out_proj")]
    [InlineData("text_encoder_2.text_model.encoder.layers.0.self_attn.v_proj.lora_linear_layer", "text_encoder_2.text_model.encoder.layers.0.self_attn.v_proj")]
    public void Each_spelling_names_the_model_s_module(string key, string module)
    {
        FactorSample sample = new FactorSample().Tensor(key + ".down.weight", DType.F16, 5, 53).Tensor(key + ".up.weight", DType.F16, 37, 5);
        using Adapter adapter = sample.Read();
        Assert.Equal("diffusers-old", adapter.Layout);
        Assert.Equal(sample.Product(key + ".up.weight", key + ".down.weight", turned: false, 1), FactorSample.Update(adapter, module));
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
    }

    [Fact]
    public void Alpha_is_divided_by_the_rank_and_goes_into_B()
    {
        FactorSample sample = new FactorSample().Tensor("unet.a.lora.down.weight", DType.F32, 4, 5).Tensor("unet.a.lora.up.weight", DType.F32, 3, 4).Values("unet.a.lora.alpha", DType.F32, [1], 6);
        using Adapter adapter = sample.Read();
        Assert.Equal(1.5, ((LowRankDelta)adapter.Deltas[0]).Scale);
        IAdapterLayout layout = AdapterLayouts.Named("diffusers-old");
        Assert.Contains("no alpha", Assert.Throws<UnsupportedException>(() => layout.Write(adapter)).Message);
        Adapter folded = layout.Fold(adapter);
        Assert.Empty(layout.Limits(folded));
        using SavedAdapter saved = new(folded);
        Assert.Equal(sample.Product("unet.a.lora.up.weight", "unet.a.lora.down.weight", turned: false, 1.5), FactorSample.Update(saved.Adapter, "unet.a"));
        Assert.Same(saved.Adapter, layout.Fold(saved.Adapter));
    }

    /// <summary>The spelling that diffusers' convert_unet_state_dict_to_peft and convert_state_dict_to_peft have rules for.</summary>
    [Fact]
    public void It_is_written_as_diffusers_reads_it_back()
    {
        using Adapter adapter = new FactorSample().Tensor("unet.attn1.processor.to_out_lora.down.weight", DType.F32, 4, 5).Tensor("unet.attn1.processor.to_out_lora.up.weight", DType.F32, 3, 4)
            .Tensor("text_encoder.self_attn.to_q_lora.down.weight", DType.F32, 4, 5).Tensor("text_encoder.self_attn.to_q_lora.up.weight", DType.F32, 3, 4).Read();
        using SavedAdapter saved = new(adapter);
        Assert.Equal(
            ["text_encoder.self_attn.q_proj.lora_linear_layer.down.weight", "text_encoder.self_attn.q_proj.lora_linear_layer.up.weight",
             "unet.attn1.to_out.0.lora.down.weight", "unet.attn1.to_out.0.lora.up.weight"],
            saved.Tensors().Select(tensor => tensor.Name));
        Adapter transformer = new("a", "diffusers-old", null) { Deltas = [adapter.Deltas[0].Renamed(new(new("transformer.x"), "weight"))] };
        Assert.Contains("PEFT's names alone", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("diffusers-old").Write(transformer)).Message);
    }

    [Fact]
    public void Halves_and_strangers_are_listed_and_two_spellings_of_one_are_an_error()
    {
        new FactorSample().Tensor("unet.a.lora.down.weight", DType.F32, 4, 5).Fails<InvalidAdapterException>("without its B");
        Pair().Tensor("unet.b.weight", DType.F32, 4).Fails<InvalidAdapterException>("'unet.b.weight'");
        Pair().Tensor("unet.attn1.processor.to_q_lora.down.weight", DType.F32, 4, 5).Fails<InvalidAdapterException>("same tensor");
        // XLabs' processors have names that are alike, and other meanings.
        new FactorSample().Tensor("single_blocks.0.processor.qkv_lora.down.weight", DType.F32, 4, 5).Fails<InvalidAdapterException>("without its B");
    }

    private static FactorSample Pair() =>
        new FactorSample().Tensor("unet.attn1.to_q.lora.down.weight", DType.F32, 4, 5).Tensor("unet.attn1.to_q.lora.up.weight", DType.F32, 3, 4);
}

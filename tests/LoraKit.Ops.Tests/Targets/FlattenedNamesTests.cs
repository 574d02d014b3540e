using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Targets;

/// <summary>Modules named with '_' for '.', found in bases that have the dots.</summary>
public class FlattenedNamesTests
{
    [Theory]
    [InlineData("lycoris_blocks_0_attn1_to_out_0", "blocks.0.attn1.to_out.0")]
    [InlineData("lora_unet_down_blocks_0_attentions_0_proj_in", "down_blocks.0.attentions.0.proj_in")]
    [InlineData("lora_unet_down_blocks_0_attentions_0_proj_in", "unet.down_blocks.0.attentions.0.proj_in")]
    [InlineData("lora_unet_input_blocks_4_1_proj_in", "model.diffusion_model.input_blocks.4.1.proj_in")]
    [InlineData("lora_unet_double_blocks_0_img_attn_qkv", "diffusion_model.double_blocks.0.img_attn.qkv")]
    [InlineData("lora_transformer_transformer_blocks_0_attn_to_q", "transformer.transformer_blocks.0.attn.to_q")]
    [InlineData("oft_unet_mid_block_attentions_0_proj_in", "mid_block.attentions.0.proj_in")]
    [InlineData("lora_te_text_model_encoder_layers_0_mlp_fc1", "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1")]
    [InlineData("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_model.encoder.layers.0.mlp.fc1")]
    [InlineData("lora_te2_text_projection", "text_encoder_2.text_projection")]
    [InlineData("lora_te3_encoder_block_0_layer_0_SelfAttention_q", "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q")]
    [InlineData("lora_prior_unet_down_blocks_0_0_conv", "down_blocks.0.0.conv")]
    // A prefix that nobody has heard of.
    [InlineData("lora_unet_blocks_0_to_q", "strange.inner.blocks.0.to_q")]
    public void AreFound(string module, string @base) => Assert.Equal([$"{@base}.weight"], Changed([module], [@base, "norm"]));

    [Fact]
    public void EachPartOfAPipelineHasItsOwn() => Assert.Equal(
        ["model.diffusion_model.layers.0.fc.weight", "text_encoder.layers.0.fc.weight", "text_encoder_2.layers.0.fc.weight"],
        Changed(["lora_unet_layers_0_fc", "lora_te1_layers_0_fc", "lora_te2_layers_0_fc"], ["model.diffusion_model.layers.0.fc", "text_encoder.layers.0.fc", "text_encoder_2.layers.0.fc"]));

    [Fact]
    public void OneFlattenedNameOfTwoModulesIsAMissThatNamesBoth()
    {
        TargetMismatchException miss = Assert.Throws<TargetMismatchException>(() => Changed(["lora_unet_a_b_c"], ["a.b_c", "a_b.c"]));
        Assert.Contains("could be any of a.b_c.weight, a_b.c.weight", miss.Message);
        Assert.Throws<TargetMismatchException>(() => Changed(["lora_unet_a_b"], ["a.b", "unet.a.b"]));
        Assert.Throws<TargetMismatchException>(() => Changed(["lora_unet_a_b"], ["one.a.b", "two.a.b"]));
    }

    [Fact]
    public void EveryMissIsListed()
    {
        TargetMismatchException miss = Assert.Throws<TargetMismatchException>(() => Changed(["lora_unet_a_b", "lora_unet_no", "lora_te2_c"], ["a.b", "text_encoder.c"]));
        Assert.Equal(2, miss.Misses.Count);
        Assert.Contains(miss.Misses, line => line.Contains("none of its names is 'no.weight'", StringComparison.Ordinal));
    }

    [Fact]
    public void TwoModulesAreNotOneTensor()
    {
        TargetMismatchException miss = Assert.Throws<TargetMismatchException>(() => Changed(["lora_unet_a_b", "lora_te_a_b"], ["a.b"]));
        Assert.Equal(2, miss.Misses.Count);
    }

    private static string[] Changed(string[] modules, string[] bases)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base.safetensors"], [.. bases.Select(b => Merging.Random($"{b}.weight", DType.F32, random, 4, 3))]);
        SafetensorsBytes.Write(temp["a.safetensors"], [.. modules.SelectMany(m => (TestTensor[])
            [Merging.Random($"{m}.lora_down.weight", DType.F32, random, 1, 3), Merging.Random($"{m}.lora_up.weight", DType.F32, random, 4, 1)])]);
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base.safetensors"], temp["a.safetensors"], temp["out.safetensors"]));
        return [.. plan.Tensors.Where(t => t.Action == TensorAction.Change).Select(t => t.Name).Order(StringComparer.Ordinal)];
    }
}

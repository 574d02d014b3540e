using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;

namespace LoraKit.Formats.Tests.Layouts.Names;

/// <summary>LDM's block numbers against a table written out by hand, not by the arithmetic that makes the map.</summary>
public sealed class UNetArithmeticTests
{
    /// <summary>Stable Diffusion XL: three levels, the outermost without attention.</summary>
    [Theory]
    [InlineData("down_blocks.0.resnets.0.conv1", "input_blocks.1.0.in_layers.2")]
    [InlineData("down_blocks.0.resnets.1.conv2", "input_blocks.2.0.out_layers.3")]
    [InlineData("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op")]
    [InlineData("down_blocks.1.resnets.0.time_emb_proj", "input_blocks.4.0.emb_layers.1")]
    [InlineData("down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k", "input_blocks.4.1.transformer_blocks.1.attn2.to_k")]
    [InlineData("down_blocks.1.attentions.1.proj_in", "input_blocks.5.1.proj_in")]
    [InlineData("down_blocks.1.downsamplers.0.conv", "input_blocks.6.0.op")]
    [InlineData("down_blocks.2.attentions.0.transformer_blocks.9.ff.net.0.proj", "input_blocks.7.1.transformer_blocks.9.ff.net.0.proj")]
    [InlineData("down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_out.0", "input_blocks.8.1.transformer_blocks.0.attn1.to_out.0")]
    [InlineData("mid_block.resnets.0.norm1", "middle_block.0.in_layers.0")]
    [InlineData("mid_block.attentions.0.transformer_blocks.4.attn1.to_q", "middle_block.1.transformer_blocks.4.attn1.to_q")]
    [InlineData("mid_block.resnets.1.norm2", "middle_block.2.out_layers.0")]
    [InlineData("up_blocks.0.attentions.0.proj_out", "output_blocks.0.1.proj_out")]
    [InlineData("up_blocks.0.attentions.2.transformer_blocks.9.ff.net.2", "output_blocks.2.1.transformer_blocks.9.ff.net.2")]
    [InlineData("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv")]
    [InlineData("up_blocks.1.attentions.2.transformer_blocks.1.attn2.to_v", "output_blocks.5.1.transformer_blocks.1.attn2.to_v")]
    [InlineData("up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv")]
    [InlineData("up_blocks.2.resnets.2.conv_shortcut", "output_blocks.8.0.skip_connection")]
    [InlineData("time_embedding.linear_2", "time_embed.2")]
    [InlineData("add_embedding.linear_1", "label_emb.0.0")]
    [InlineData("conv_in", "input_blocks.0.0")]
    [InlineData("conv_norm_out", "out.0")]
    [InlineData("conv_out", "out.2")]
    public void Of_sdxl(string diffusers, string original) => AssertOneWeight(StableDiffusion.Xl, diffusers, original);

    /// <summary>Stable Diffusion 1: four levels, the innermost without attention, so that the first upsampler comes second.</summary>
    [Theory]
    [InlineData("down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k", "input_blocks.2.1.transformer_blocks.0.attn2.to_k")]
    [InlineData("down_blocks.2.downsamplers.0.conv", "input_blocks.9.0.op")]
    [InlineData("down_blocks.3.resnets.1.conv1", "input_blocks.11.0.in_layers.2")]
    [InlineData("up_blocks.0.upsamplers.0.conv", "output_blocks.2.1.conv")]
    [InlineData("up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv")]
    [InlineData("up_blocks.3.attentions.2.transformer_blocks.0.ff.net.2", "output_blocks.11.1.transformer_blocks.0.ff.net.2")]
    public void Of_sd1(string diffusers, string original) => AssertOneWeight(StableDiffusion.V1, diffusers, original);

    [Theory]
    [InlineData("input_blocks.9.0.op")]
    [InlineData("input_blocks.1.1.proj_in")]
    [InlineData("output_blocks.9.0.in_layers.2")]
    [InlineData("output_blocks.8.2.conv")]
    public void What_sdxl_does_not_have(string original) => Assert.Null(StableDiffusion.Xl.Find("diffusion_model." + original));

    private static void AssertOneWeight(Architecture architecture, string diffusers, string original)
    {
        NamePlace of = architecture.Find("unet." + diffusers)!.Value.Place, same = architecture.Find("model.diffusion_model." + original)!.Value.Place;
        Assert.Same(of.Rule, same.Rule);
        Assert.Equal(of.Numbers, same.Numbers);
        Assert.Equal(original, of.Rule.Name(Naming.Original, 0, of.Numbers));
        Assert.Equal(diffusers, same.Rule.Name(Naming.Diffusers, 0, same.Numbers));
    }
}

using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts.Names;

/// <summary>What a few names, shapes and words of metadata tell.</summary>
public sealed class DetectionTests
{
    private static readonly Dictionary<string, string> NoMetadata = [];

    [Theory]
    [InlineData("lora_unet_joint_blocks_23_x_block_attn_qkv", 4608, 1536, "sd3")]
    [InlineData("transformer.transformer_blocks.37.attn.add_k_proj", 2432, 2432, "sd3")]
    [InlineData("lora_unet__blocks_0_cross_attn_k_img", 5120, 5120, "wan")]
    [InlineData("transformer_2.blocks.39.attn2.add_v_proj", 5120, 5120, "wan")]
    [InlineData("diffusion_model.vace_blocks.0.before_proj", 1536, 1536, "wan")]
    [InlineData("transformer_blocks.59.attn.add_k_proj", 3072, 3072, "qwen-image")]
    [InlineData("lora_unet_transformer_blocks_0_img_mod_1", 18432, 3072, "qwen-image")]
    [InlineData("diffusion_model.layers.0.attention.qkv", 11520, 3840, "z-image")]
    [InlineData("lora_unet_noise_refiner_0_attention_to_q", 3840, 3840, "z-image")]
    [InlineData("diffusion_model.layers.0.attention.qkv", 3840, 2304, "lumina2")]
    [InlineData("lora_unet_double_blocks_0_img_mlp_fc1", 12288, 3072, "hunyuan-video")]
    [InlineData("transformer.double_blocks.19.img_attn_qkv", 9216, 3072, "hunyuan-video")]
    [InlineData("lora_unet_single_blocks_39_linear1", 25088, 3584, "hunyuan-image")]
    [InlineData("diffusion_model.single_blocks.47.linear1", 55296, 6144, "flux2")]
    [InlineData("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 55296, 6144, "flux2")]
    [InlineData("lora_unet_double_blocks_0_img_mod_lin", 18432, 3072, "flux1")]
    [InlineData("diffusion_model.distilled_guidance_layer.in_proj", 5120, 64, "chroma")]
    [InlineData("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 640, 768, "sd1")]
    [InlineData("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 640, 1024, "sd2")]
    [InlineData("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 640, 2048, "sdxl")]
    [InlineData("diffusion_model.transformer_blocks.0.audio_to_video_attn.to_q", 2048, 4096, "ltx2")]
    [InlineData("diffusion_model.joint_transformer_blocks.0.attn.to_q", 3072, 3072, "auraflow")]
    [InlineData("lycoris_double_stream_blocks_0_block_attn1_to_q_t", 2560, 2560, "hidream")]
    public void One_module_tells(string module, long rows, long columns, string expected)
    {
        ArchitectureMatch match = ArchitectureDetection.Of([(module, new TensorShape([rows, columns]))], NoMetadata, ArchitectureList.All);
        Assert.Equal((expected, 0), (match.Best?.Name, match.Leftover.Count));
    }

    /// <summary>Trained attention alone: FLUX.1 is the likelier, and Chroma is named.</summary>
    [Theory]
    [InlineData("transformer.single_transformer_blocks.{0}.attn.to_q", "transformer.transformer_blocks.{0}.attn.to_q")]
    [InlineData("lora_unet_single_blocks_{0}_linear2", "lora_unet_double_blocks_{0}_img_attn_qkv")]
    public void Flux_and_chroma_are_alike(string single, string doubled)
    {
        (string, TensorShape?)[] modules =
        [
            .. Enumerable.Range(0, 38).Select(i => (string.Format(System.Globalization.CultureInfo.InvariantCulture, single, i), (TensorShape?)null)),
            .. Enumerable.Range(0, 19).Select(i => (string.Format(System.Globalization.CultureInfo.InvariantCulture, doubled, i), (TensorShape?)new TensorShape([3072, 3072]))),
        ];
        ArchitectureMatch match = ArchitectureDetection.Of(modules, NoMetadata, ArchitectureList.All);
        Assert.Equal("flux1", match.Best?.Name);
        Assert.Equal(["chroma"], match.Others.Select(other => other.Name));
        match = ArchitectureDetection.Of(modules, new Dictionary<string, string> { ["ss_base_model_version"] = "chroma" }, ArchitectureList.All);
        Assert.Equal(("chroma", 0), (match.Best?.Name, match.Others.Count));
        match = ArchitectureDetection.Of(modules, new Dictionary<string, string> { ["modelspec.architecture"] = "Flux.1-dev/lora" }, ArchitectureList.All);
        Assert.Equal(("flux1", 0), (match.Best?.Name, match.Others.Count));
    }

    /// <summary>Version 1 has convolutions of one element around its transformers.</summary>
    [Fact]
    public void A_convolution_tells_versions_of_stable_diffusion_apart()
    {
        const string module = "lora_unet_down_blocks_1_attentions_0_proj_in";
        ArchitectureMatch match = ArchitectureDetection.Of([(module, new TensorShape([640, 640, 1, 1]))], NoMetadata, ArchitectureList.All);
        Assert.Equal(("sd1", 0), (match.Best?.Name, match.Others.Count));
        match = ArchitectureDetection.Of([(module, new TensorShape([640, 640]))], NoMetadata, ArchitectureList.All);
        Assert.Equal("sdxl", match.Best?.Name);
        Assert.Equal(["sd2"], match.Others.Select(other => other.Name));
    }

    [Fact]
    public void What_is_left_over_is_listed()
    {
        ArchitectureMatch match = ArchitectureDetection.Of(
            [("lora_unet_double_blocks_0_img_mod_lin", null), ("lora_unet_double_blocks_0_nothing", null), ("lora_te1_text_model_encoder_layers_0_mlp_fc1", null)], NoMetadata, ArchitectureList.All);
        Assert.Equal("flux1", match.Best?.Name);
        Assert.Equal(["lora_unet_double_blocks_0_nothing"], match.Leftover);
    }

    /// <summary>Their text encoders are language models: only a prefix makes a name a text encoder's.</summary>
    [Theory]
    [InlineData("model.layers.0.self_attn.q_proj")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj")]
    [InlineData("layers.0.self_attn.q_proj")]
    [InlineData("model.language_model.layers.0.mlp.gate_proj")]
    [InlineData("transformer.h.0.attn.c_attn")]
    public void A_language_model_is_of_none(string module) => Assert.Null(ArchitectureDetection.Of([(module, new TensorShape([4096, 4096]))], NoMetadata, ArchitectureList.All).Best);
}

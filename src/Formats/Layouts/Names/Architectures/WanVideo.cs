using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Wan 2.1 and 2.2, from text and from images, with VACE's blocks. Source: diffusers (scripts/convert_wan_to_diffusers.py, loaders/lora_conversion_utils.py).</summary>
internal static class WanVideo
{
    private static readonly NameRule[] Block =
    [
        .. Attention("self_attn", "attn1"), .. Attention("cross_attn", "attn2"),
        Of("cross_attn.k_img", "attn2.add_k_proj"), Of("cross_attn.v_img", "attn2.add_v_proj"), Of("cross_attn.norm_k_img", "attn2.norm_added_k"),
        Of("ffn.0", "ffn.net.0.proj"), Of("ffn.2", "ffn.net.2"), Of("modulation", "scale_shift_table"),
        // The original applies them in the order 1, 3, 2.
        Same("norm1"), Of("norm3", "norm2"), Of("norm2", "norm3"),
    ];

    private static readonly NameMap Transformer = new(
    [
        .. Under("blocks.#.", "blocks.#.", Block),
        .. Under("vace_blocks.#.", "vace_blocks.#.", [.. Block, Of("before_proj", "proj_in"), Of("after_proj", "proj_out")]),
        Same("patch_embedding"), Same("vace_patch_embedding"),
        .. Mlp("time_embedding", "condition_embedder.time_embedder"), .. Mlp("text_embedding", "condition_embedder.text_embedder"),
        Of("time_projection.1", "condition_embedder.time_proj"), Of("head.head", "proj_out"), Of("head.modulation", "scale_shift_table"),
        .. Under("img_emb.proj.", "condition_embedder.image_embedder.", Of("0", "norm1"), Of("1", "ff.net.0.proj"), Of("3", "ff.net.2"), Of("4", "norm2")),
    ]);

    /// <summary>All sizes; in 2.2 each of the two experts is a model of its own, with a file of its own.</summary>
    public static Architecture Wan { get; } = new()
    {
        Name = "wan",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.TextEncoder("text_encoder", TextEncoders.T5, null, "umt5xxl", []),
        ],
        BaseModelVersions = ["wan"],
        ModelSpecs = ["wan2.1", "wan-2_1-text2video-14b", "wan-2_1-text2video-1_3b", "wan-2_1-image2video-14b", "wan-2_2-text2video-14b", "wan-2_2-image2video-14b", "wan-2_2-ti2v-5b"],
        Implementation = "https://github.com/Wan-Video/Wan2.1",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "_attn.q"), 1536, 3072, 5120) + Evidence.Blocks(modules, "blocks.", 30, 40),
    };

    private static IEnumerable<NameRule> Attention(string original, string diffusers) => Under(original + ".", diffusers + ".",
        Of("q", "to_q"), Of("k", "to_k"), Of("v", "to_v"), Of("o", "to_out.0"), Same("norm_q"), Same("norm_k"));
}

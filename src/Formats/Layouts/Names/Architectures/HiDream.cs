using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>HiDream-I1, whose own repository has diffusers' names. Source: diffusers (models/transformers/transformer_hidream_image.py, loaders/lora_conversion_utils.py).</summary>
internal static class HiDream
{
    private static readonly string[] Image =
    [
        .. ((string[])["to_q", "to_k", "to_v", "to_out", "q_rms_norm", "k_rms_norm"]).Select(leaf => "attn1." + leaf),
        .. ((string[])["ff_i.", "ff_i.shared_experts.", "ff_i.experts.#."]).SelectMany(feed => ((string[])["w1", "w2", "w3"]).Select(leaf => feed + leaf)), "ff_i.gate", "adaLN_modulation.1",
    ];

    private static readonly string[] Both =
    [
        .. Image, .. ((string[])["to_q_t", "to_k_t", "to_v_t", "to_out_t", "q_rms_norm_t", "k_rms_norm_t"]).Select(leaf => "attn1." + leaf), "ff_t.w1", "ff_t.w2", "ff_t.w3",
    ];

    private static readonly string[] Rest =
    [
        "t_embedder.timestep_embedder.linear_1", "t_embedder.timestep_embedder.linear_2", "p_embedder.pooled_embedder.linear_1", "p_embedder.pooled_embedder.linear_2",
        "x_embedder.proj", "final_layer.linear", "final_layer.adaLN_modulation.1", "caption_projection.#.linear",
    ];

    private static readonly NameMap Transformer = new(
    [
        .. Both.Select(leaf => Same("double_stream_blocks.#.block." + leaf)), .. Image.Select(leaf => Same("single_stream_blocks.#.block." + leaf)), .. Rest.Select(Same),
    ]);

    /// <summary>With four text encoders: CLIP-L, CLIP-G, T5 and Llama.</summary>
    public static Architecture I1 { get; } = new()
    {
        Name = "hidream",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.TextEncoder("text_encoder", TextEncoders.Clip, "lora_te1_", "clip_l", []), ModelPart.TextEncoder("text_encoder_2", TextEncoders.OpenClip, "lora_te2_", "clip_g", []),
            ModelPart.TextEncoder("text_encoder_3", TextEncoders.T5, "lora_te3_", "t5xxl", []), ModelPart.LanguageModel("text_encoder_4", TextEncoders.LanguageModel("model."), "lora_te4_", "llama"),
        ],
        ModelSpecs = ["hidream-i1"],
        Implementation = "https://github.com/HiDream-ai/HiDream-I1",
        // Its text encoders are those of Stable Diffusion 3 too.
        Evidence = modules => Evidence.Without(modules, "_stream_blocks.") + Evidence.Blocks(modules, "double_stream_blocks.", 16) + Evidence.Blocks(modules, "single_stream_blocks.", 32),
    };
}

using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>LTX-Video and LTX-2, which adds sound. Sources: diffusers (loaders/single_file_utils.py, loaders/lora_conversion_utils.py, models/transformers/transformer_ltx.py, transformer_ltx2.py).</summary>
internal static class LtxVideo
{
    private static readonly NameRule[] Rest =
    [
        Of("patchify_proj", "proj_in"), Same("proj_out"), .. Modulation("adaln_single", "time_embed"), Same("caption_projection.linear_1"), Same("caption_projection.linear_2"),
    ];

    private static readonly NameMap Transformer = new([.. Rest, .. Under("transformer_blocks.#.", "transformer_blocks.#.", [.. Attention("attn1"), .. Attention("attn2"), .. FeedForward("ff")])]);

    private static readonly NameMap AudioVideoTransformer = new(
    [
        .. Rest,
        .. Under("transformer_blocks.#.", "transformer_blocks.#.",
        [
            .. ((string[])["attn1", "attn2", "audio_attn1", "audio_attn2", "audio_to_video_attn", "video_to_audio_attn"]).SelectMany(name => (NameRule[])[.. Attention(name), Same(name + ".to_gate_logits")]),
            .. FeedForward("ff"), .. FeedForward("audio_ff"),
        ]),
        Of("audio_patchify_proj", "audio_proj_in"), Same("audio_proj_out"), Same("audio_caption_projection.linear_1"), Same("audio_caption_projection.linear_2"),
        .. Modulation("audio_adaln_single", "audio_time_embed"), .. Modulation("prompt_adaln_single", "prompt_adaln"), .. Modulation("audio_prompt_adaln_single", "audio_prompt_adaln"),
        .. Modulation("av_ca_video_scale_shift_adaln_single", "av_cross_attn_video_scale_shift"), .. Modulation("av_ca_a2v_gate_adaln_single", "av_cross_attn_video_a2v_gate"),
        .. Modulation("av_ca_audio_scale_shift_adaln_single", "av_cross_attn_audio_scale_shift"), .. Modulation("av_ca_v2a_gate_adaln_single", "av_cross_attn_audio_v2a_gate"),
    ]);

    /// <summary>LTX-Video: with T5.</summary>
    public static Architecture Video { get; } = new()
    {
        Name = "ltx-video",
        Parts = [ModelPart.Denoiser("transformer", Transformer), ModelPart.TextEncoder("text_encoder", TextEncoders.T5, null, "t5xxl", ["t5xxl."])],
        ModelSpecs = ["ltx-video", "lightricks-ltx-video"],
        Implementation = "https://github.com/Lightricks/LTX-Video",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "attn1.to_q"), 2048, 4096) + Evidence.Blocks(modules, "transformer_blocks.", 28, 48),
    };

    /// <summary>LTX-2: with Gemma 3, which nothing trains.</summary>
    public static Architecture AudioVideo { get; } = new()
    {
        Name = "ltx2",
        Parts = [ModelPart.Denoiser("transformer", AudioVideoTransformer)],
        ModelSpecs = ["ltx2", "ltx-2"],
        Implementation = "https://github.com/Lightricks/LTX-2",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, ".attn1.to_q"), 4096) + Evidence.Without(modules, "audio_") + Evidence.Blocks(modules, "transformer_blocks.", 48),
    };

    private static IEnumerable<NameRule> Attention(string name) => Under(name + ".", name + ".",
        Same("to_q"), Same("to_k"), Same("to_v"), Same("to_out.0"), Of("q_norm", "norm_q"), Of("k_norm", "norm_k"));

    private static IEnumerable<NameRule> FeedForward(string name) => [Same(name + ".net.0.proj"), Same(name + ".net.2")];

    private static IEnumerable<NameRule> Modulation(string original, string diffusers) => Under(original + ".", diffusers + ".",
        Same("emb.timestep_embedder.linear_1"), Same("emb.timestep_embedder.linear_2"), Same("linear"));
}

using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Lumina-Image 2.0, whose attention has fewer keys than queries. Sources: diffusers (loaders/single_file_utils.py), sd-scripts (networks/lora_lumina.py).</summary>
internal static class Lumina
{
    private static readonly NameRule[] Block =
    [
        Fused("attention.qkv", RowDivision.GroupedQueries, "attn.to_q", "attn.to_k", "attn.to_v"), Of("attention.out", "attn.to_out.0"),
        Of("attention.q_norm", "attn.norm_q"), Of("attention.k_norm", "attn.norm_k"),
        Of("feed_forward.w1", "feed_forward.linear_1"), Of("feed_forward.w2", "feed_forward.linear_2"), Of("feed_forward.w3", "feed_forward.linear_3"),
        Of("attention_norm2", "norm2"), Same("ffn_norm1"), Same("ffn_norm2"),
    ];

    private static readonly NameRule[] Modulated = [.. Block, Of("adaLN_modulation.1", "norm1.linear"), Of("attention_norm1", "norm1.norm")];

    private static readonly NameMap Transformer = new(
    [
        .. Under("layers.#.", "layers.#.", Modulated), .. Under("noise_refiner.#.", "noise_refiner.#.", Modulated),
        .. Under("context_refiner.#.", "context_refiner.#.", [.. Block, Of("attention_norm1", "norm1")]),
        Same("x_embedder"), .. Mlp("t_embedder.mlp", "time_caption_embed.timestep_embedder"),
        Of("cap_embedder.0", "time_caption_embed.caption_embedder.0"), Of("cap_embedder.1", "time_caption_embed.caption_embedder.1"),
        Of("final_layer.adaLN_modulation.1", "norm_out.linear_1"), Of("final_layer.linear", "norm_out.linear_2"),
    ]);

    /// <summary>With Gemma 2 for its text encoder.</summary>
    public static Architecture V2 { get; } = new()
    {
        Name = "lumina2",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.LanguageModel("text_encoder", TextEncoders.LanguageModel(), "lora_te_", "gemma2_2b"),
        ],
        BaseModelVersions = ["lumina2", "lumina"],
        ModelSpecs = ["lumina-2", "lumina"],
        Implementation = "https://github.com/Alpha-VLLM/Lumina-Image-2.0",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "attention.qkv"), 2304) + Evidence.Blocks(modules, "layers.", 26),
    };
}

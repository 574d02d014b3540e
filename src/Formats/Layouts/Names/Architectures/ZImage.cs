using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>
/// Z-Image: what ComfyUI and single-file checkpoints have in one weight (q, k and v), diffusers has in three, and so has musubi-tuner under sd-scripts' names. Sources: diffusers
/// (loaders/single_file_utils.py, models/transformers/transformer_z_image.py), musubi-tuner (networks/convert_z_image_lora_to_comfy.py).
/// </summary>
internal static class ZImage
{
    private static readonly NameRule[] Block =
    [
        Fused("attention.qkv", RowDivision.Equal, "attention.to_q", "attention.to_k", "attention.to_v"), Of("attention.out", "attention.to_out.0"),
        Of("attention.q_norm", "attention.norm_q"), Of("attention.k_norm", "attention.norm_k"),
        Same("feed_forward.w1"), Same("feed_forward.w2"), Same("feed_forward.w3"), Same("adaLN_modulation.0"),
        Same("attention_norm1"), Same("attention_norm2"), Same("ffn_norm1"), Same("ffn_norm2"),
    ];

    private static readonly NameMap Transformer = new(
    [
        .. ((string[])["layers.#.", "noise_refiner.#.", "context_refiner.#.", "siglip_refiner.#."]).SelectMany(blocks => Under(blocks, blocks, Block)),
        Same("t_embedder.mlp.0"), Same("t_embedder.mlp.2"), Same("cap_embedder.0"), Same("cap_embedder.1"), Same("siglip_embedder.0"), Same("siglip_embedder.1"),
        Of("x_embedder", "all_x_embedder.2-1"), .. Under("final_layer.", "all_final_layer.2-1.", Same("linear"), Same("adaLN_modulation.1")),
    ]);

    /// <summary>With Qwen3 for its text encoder.</summary>
    public static Architecture Z { get; } = new()
    {
        Name = "z-image",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer, Naming.Diffusers),
            ModelPart.LanguageModel("text_encoder", TextEncoders.LanguageModel(), null, "qwen3_4b"),
        ],
        BaseModelVersions = ["z_image"],
        ModelSpecs = ["Z-Image"],
        Implementation = "https://github.com/Tongyi-MAI/Z-Image",
        Evidence = modules =>
            Evidence.Inputs(modules, module => Evidence.Ends(module, "attention.qkv"), 3840) + Evidence.Blocks(modules, "layers.", 30)
            + Evidence.Ratio(modules, module => Evidence.Ends(module, "attention.qkv") && module.Place.Naming != Naming.Diffusers, 3),
    };
}

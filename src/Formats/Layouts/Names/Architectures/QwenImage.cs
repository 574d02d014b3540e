using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Qwen-Image and its editing models, whose own repository has diffusers' names. Source: diffusers (models/transformers/transformer_qwenimage.py).</summary>
internal static class QwenImage
{
    private static readonly string[] Leaves =
    [
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "attn.norm_q", "attn.norm_k", "attn.norm_added_q", "attn.norm_added_k",
        "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2", "img_mod.1", "txt_mod.1",
    ];

    private static readonly string[] Rest =
    [
        "img_in", "txt_in", "txt_norm", "proj_out", "norm_out.linear", "time_text_embed.timestep_embedder.linear_1", "time_text_embed.timestep_embedder.linear_2",
        "time_text_embed.addition_t_embedding",
    ];

    private static readonly NameMap Transformer = new([.. Leaves.Select(leaf => Same("transformer_blocks.#." + leaf)), .. Rest.Select(Same)]);

    /// <summary>With Qwen2.5-VL for its text encoder.</summary>
    public static Architecture Qwen { get; } = new()
    {
        Name = "qwen-image",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.LanguageModel("text_encoder", TextEncoders.LanguageModel("model.language_model."), null, "qwen25_7b"),
        ],
        BaseModelVersions = ["qwen_image", "qwen_image_edit", "qwen_image_layered"],
        ModelSpecs = ["Qwen-Image", "Qwen-Image-Edit", "Qwen-Image-Edit-Plus", "Qwen-Image-Edit-2511", "Qwen-Image-Layered"],
        Implementation = "https://github.com/QwenLM/Qwen-Image",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "attn.to_q"), 3072) + Evidence.Blocks(modules, "transformer_blocks.", 60),
    };
}

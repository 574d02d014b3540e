using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>
/// HunyuanVideo and HunyuanImage 2.1. Tencent's names are those of adapters under sd-scripts' names; ComfyUI calls the MLPs, modulations and embedders as FLUX does. Sources: diffusers
/// (scripts/convert_hunyuan_video_to_diffusers.py, convert_hunyuan_image_to_diffusers.py), ComfyUI (comfy/ldm/hunyuan_video/model.py), sd-scripts
/// (networks/convert_hunyuan_image_lora_to_comfy.py).
/// </summary>
internal static class Hunyuan
{
    private static readonly NameRule[] Blocks =
    [
        .. Under("double_blocks.#.", "transformer_blocks.#.",
            Fused("img_attn_qkv", RowDivision.Equal, "attn.to_q", "attn.to_k", "attn.to_v").InComfy("img_attn.qkv"),
            Fused("txt_attn_qkv", RowDivision.Equal, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj").InComfy("txt_attn.qkv"),
            Of("img_attn_proj", "attn.to_out.0").InComfy("img_attn.proj"), Of("txt_attn_proj", "attn.to_add_out").InComfy("txt_attn.proj"),
            Of("img_attn_q_norm", "attn.norm_q").InComfy("img_attn.norm.query_norm"), Of("img_attn_k_norm", "attn.norm_k").InComfy("img_attn.norm.key_norm"),
            Of("txt_attn_q_norm", "attn.norm_added_q").InComfy("txt_attn.norm.query_norm"), Of("txt_attn_k_norm", "attn.norm_added_k").InComfy("txt_attn.norm.key_norm"),
            Of("img_mlp.fc1", "ff.net.0.proj").InComfy("img_mlp.0"), Of("img_mlp.fc2", "ff.net.2").InComfy("img_mlp.2"),
            Of("txt_mlp.fc1", "ff_context.net.0.proj").InComfy("txt_mlp.0"), Of("txt_mlp.fc2", "ff_context.net.2").InComfy("txt_mlp.2"),
            Of("img_mod.linear", "norm1.linear").InComfy("img_mod.lin"), Of("txt_mod.linear", "norm1_context.linear").InComfy("txt_mod.lin")),
        .. Under("single_blocks.#.", "single_transformer_blocks.#.",
            Fused("linear1", RowDivision.ColumnsThenRest, "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), Of("linear2", "proj_out"),
            Of("modulation.linear", "norm.linear").InComfy("modulation.lin"), Of("q_norm", "attn.norm_q").InComfy("norm.query_norm"), Of("k_norm", "attn.norm_k").InComfy("norm.key_norm")),
        .. Under("txt_in.individual_token_refiner.blocks.#.", "context_embedder.token_refiner.refiner_blocks.#.",
            Fused("self_attn_qkv", RowDivision.Equal, "attn.to_q", "attn.to_k", "attn.to_v").InComfy("self_attn.qkv"), Of("self_attn_proj", "attn.to_out.0").InComfy("self_attn.proj"),
            Of("mlp.fc1", "ff.net.0.proj").InComfy("mlp.0"), Of("mlp.fc2", "ff.net.2").InComfy("mlp.2"), Same("norm1"), Same("norm2"), Of("adaLN_modulation.1", "norm_out.linear")),
        .. Embedder("txt_in.t_embedder", "mlp.0", "mlp.2", "context_embedder.time_text_embed.timestep_embedder"),
        .. Embedder("txt_in.c_embedder", "linear_1", "linear_2", "context_embedder.time_text_embed.text_embedder"),
        Of("txt_in.input_embedder", "context_embedder.proj_in"), Of("img_in.proj", "x_embedder.proj"),
        Of("final_layer.linear", "proj_out"), Of("final_layer.adaLN_modulation.1", "norm_out.linear", RowDivision.HalvesSwapped),
    ];

    private static readonly NameMap VideoTransformer = new(
    [
        .. Blocks,
        .. Embedder("time_in", "mlp.0", "mlp.2", "time_text_embed.timestep_embedder"), .. Embedder("guidance_in", "mlp.0", "mlp.2", "time_text_embed.guidance_embedder"),
        .. Embedder("vector_in", "in_layer", "out_layer", "time_text_embed.text_embedder"),
    ]);

    private static readonly NameMap ImageTransformer = new(
    [
        .. Blocks,
        .. Embedder("time_in", "mlp.0", "mlp.2", "time_guidance_embed.timestep_embedder"), .. Embedder("time_r_in", "mlp.0", "mlp.2", "time_guidance_embed.timestep_embedder_r"),
        .. Embedder("guidance_in", "mlp.0", "mlp.2", "time_guidance_embed.guidance_embedder"),
        .. Under("byt5_in.", "context_embedder_2.", Of("layernorm", "norm"), Of("fc1", "linear_1"), Of("fc2", "linear_2"), Of("fc3", "linear_3")),
    ]);

    /// <summary>HunyuanVideo, FramePack's base too: a language model, and CLIP-L.</summary>
    public static Architecture Video { get; } = new()
    {
        Name = "hunyuan-video",
        Parts =
        [
            ModelPart.Denoiser("transformer", VideoTransformer),
            ModelPart.LanguageModel("text_encoder", TextEncoders.LanguageModel(), null, "llama"),
            ModelPart.TextEncoder("text_encoder_2", TextEncoders.Clip, null, "clip_l", []),
        ],
        BaseModelVersions = ["hunyuan_video", "framepack"],
        ModelSpecs = ["hunyuan-video", "framepack"],
        Implementation = "https://github.com/Tencent/HunyuanVideo",
        Evidence = modules => Shapes(modules, 3072),
    };

    /// <summary>HunyuanImage 2.1: sd-scripts trains no text encoder of it.</summary>
    public static Architecture Image { get; } = new()
    {
        Name = "hunyuan-image",
        Parts = [ModelPart.Denoiser("transformer", ImageTransformer)],
        BaseModelVersions = ["hunyuan-image-2.1", "hunyuan-image"],
        ModelSpecs = ["hunyuan-image-2.1", "hunyuan-image-2_1", "hunyuan-image"],
        Implementation = "https://github.com/Tencent-Hunyuan/HunyuanImage-2.1",
        Evidence = modules => Shapes(modules, 3584),
    };

    private static int Shapes(IReadOnlyList<FoundModule> modules, long hidden) =>
        Evidence.Inputs(modules, module => Evidence.Ends(module, "_attn_qkv") || Evidence.Ends(module, "linear1"), hidden) + Evidence.Without(modules, "single_blocks.")
        + Evidence.Ratio(modules, module => Evidence.Ends(module, "mlp.fc1"), 4) + Evidence.Blocks(modules, "double_blocks.", 20) + Evidence.Blocks(modules, "single_blocks.", 40);

    private static IEnumerable<NameRule> Embedder(string original, string first, string second, string diffusers) => Under(original + ".", diffusers + ".",
        Of(first, "linear_1").InComfy("in_layer"), Of(second, "linear_2").InComfy("out_layer"));
}

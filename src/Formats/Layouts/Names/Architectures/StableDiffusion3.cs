using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Stable Diffusion 3 and 3.5. Sources: diffusers (scripts/convert_sd3_to_diffusers.py), ComfyUI (comfy/utils.py), sd-scripts (networks/lora_sd3.py).</summary>
internal static class StableDiffusion3
{
    private static readonly NameMap Transformer = new(
    [
        .. Under("joint_blocks.#.", "transformer_blocks.#.",
            Fused("x_block.attn.qkv", RowDivision.Equal, "attn.to_q", "attn.to_k", "attn.to_v"),
            Fused("context_block.attn.qkv", RowDivision.Equal, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
            Fused("x_block.attn2.qkv", RowDivision.Equal, "attn2.to_q", "attn2.to_k", "attn2.to_v"),
            Of("x_block.attn.proj", "attn.to_out.0"), Of("context_block.attn.proj", "attn.to_add_out"), Of("x_block.attn2.proj", "attn2.to_out.0"),
            Of("x_block.attn.ln_q", "attn.norm_q"), Of("x_block.attn.ln_k", "attn.norm_k"), Of("context_block.attn.ln_q", "attn.norm_added_q"),
            Of("context_block.attn.ln_k", "attn.norm_added_k"), Of("x_block.attn2.ln_q", "attn2.norm_q"), Of("x_block.attn2.ln_k", "attn2.norm_k"),
            Of("x_block.mlp.fc1", "ff.net.0.proj"), Of("x_block.mlp.fc2", "ff.net.2"), Of("context_block.mlp.fc1", "ff_context.net.0.proj"), Of("context_block.mlp.fc2", "ff_context.net.2"),
            Of("x_block.adaLN_modulation.1", "norm1.linear"), Of("context_block.adaLN_modulation.1", "norm1_context.linear", RowDivision.HalvesSwappedWhereLast)),
        Of("x_embedder.proj", "pos_embed.proj"), Same("context_embedder"),
        .. Mlp("t_embedder.mlp", "time_text_embed.timestep_embedder"), .. Mlp("y_embedder.mlp", "time_text_embed.text_embedder"),
        Of("final_layer.linear", "proj_out"), Of("final_layer.adaLN_modulation.1", "norm_out.linear", RowDivision.HalvesSwapped),
    ]);

    /// <summary>Versions 3 and 3.5, medium and large: CLIP-L, CLIP-G and T5.</summary>
    public static Architecture V3 { get; } = new()
    {
        Name = "sd3",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.TextEncoder("text_encoder", TextEncoders.Clip, "lora_te1_", "clip_l", ["text_encoders.clip_l.transformer."]),
            ModelPart.TextEncoder("text_encoder_2", TextEncoders.OpenClip, "lora_te2_", "clip_g", ["text_encoders.clip_g.transformer."]),
            ModelPart.TextEncoder("text_encoder_3", TextEncoders.T5, "lora_te3_", "t5xxl", ["text_encoders.t5xxl.transformer."]),
        ],
        BaseModelVersions = ["sd3", "sd3m", "sd3.5"],
        ModelSpecs =
        [
            "stable-diffusion-3-medium", "stable-diffusion-3-5-large", "stable-diffusion-3-5-medium", "stable-diffusion-3-3-5-large", "stable-diffusion-3-m",
            "stable-diffusion-v3.5-large", "stable-diffusion-v3.5-medium",
        ],
        Implementation = "https://github.com/Stability-AI/generative-models",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "qkv"), 1536, 2432) + Evidence.Blocks(modules, "joint_blocks.", 24, 38),
    };
}

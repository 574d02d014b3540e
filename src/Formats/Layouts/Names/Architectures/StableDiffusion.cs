namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Stable Diffusion 1, 2 and XL. Sources: diffusers (scripts/convert_original_stable_diffusion_to_diffusers.py), sd-scripts (library/sdxl_model_util.py).</summary>
internal static class StableDiffusion
{
    private const string StabilityCode = "https://github.com/Stability-AI/generative-models";

    private static readonly NameMap Unet = UNet.Map([true, true, true, false], "0");

    /// <summary>Stable Diffusion 1.x: one CLIP-L.</summary>
    public static Architecture V1 { get; } = new()
    {
        Name = "sd1",
        Parts =
        [
            ModelPart.Denoiser("unet", Unet, Naming.Diffusers),
            ModelPart.TextEncoder("text_encoder", TextEncoders.Clip, "lora_te_", "clip_l", ["cond_stage_model.transformer."], "lora_te1_"),
        ],
        BaseModelVersions = ["sd_v1", "sd_1.5", "sd1.5"],
        ModelSpecs = ["stable-diffusion-v1"],
        Resolution = "512x512",
        Evidence = modules => CrossAttention(modules, 768) + (ProjectionRank(modules) is 2 ? Evidence.Contradiction : 0) + Evidence.Within(modules, IsText, 12),
    };

    /// <summary>Stable Diffusion 2.x: one CLIP-H.</summary>
    public static Architecture V2 { get; } = new()
    {
        Name = "sd2",
        Parts =
        [
            ModelPart.Denoiser("unet", Unet, Naming.Diffusers),
            ModelPart.TextEncoder("text_encoder", TextEncoders.OpenClip, "lora_te_", "clip_h", ["cond_stage_model.model."]),
        ],
        BaseModelVersions = ["sd_v2", "sd_v2_v", "sd_2.1"],
        ModelSpecs = ["stable-diffusion-v2-512", "stable-diffusion-v2-768-v"],
        Resolution = "512x512",
        Evidence = modules => CrossAttention(modules, 1024) + (ProjectionRank(modules) is > 2 ? Evidence.Contradiction : 0),
    };

    /// <summary>Stable Diffusion XL: CLIP-L and CLIP-G. sd-scripts uses SGM's names; files with diffusers' are about too.</summary>
    public static Architecture Xl { get; } = new()
    {
        Name = "sdxl",
        Parts =
        [
            ModelPart.Denoiser("unet", UNet.Map([false, true, true], "#")),
            ModelPart.TextEncoder("text_encoder", TextEncoders.Clip, "lora_te1_", "clip_l", ["conditioner.embedders.0.transformer."]),
            ModelPart.TextEncoder("text_encoder_2", TextEncoders.OpenClip, "lora_te2_", "clip_g", ["conditioner.embedders.1.model."]),
        ],
        BaseModelVersions = ["sdxl_base_v1-0", "sdxl_1.0"],
        ModelSpecs = ["stable-diffusion-xl-v1-base"],
        Implementation = StabilityCode,
        Evidence = modules => CrossAttention(modules, 2048) + (ProjectionRank(modules) is > 2 ? Evidence.Contradiction : 0),
    };

    private static bool IsText(FoundModule module) => !module.Part.IsDenoiser;

    /// <summary>What the denoiser attends to: the text encoders' width.</summary>
    private static int CrossAttention(IReadOnlyList<FoundModule> modules, long width) => Evidence.Inputs(
        modules, module => Evidence.Ends(module, ".attn2.to_k") || Evidence.Ends(module, ".attn2.to_v"), width);

    /// <summary>Version 1 has convolutions before and after its transformers, later ones linear layers.</summary>
    private static int? ProjectionRank(IReadOnlyList<FoundModule> modules) =>
        modules.FirstOrDefault(module => Evidence.Ends(module, ".proj_in") && module.Rank is not null)?.Rank;
}

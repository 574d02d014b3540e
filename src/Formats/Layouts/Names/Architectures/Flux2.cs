using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>
/// FLUX.2 (dev and klein): as FLUX.1, but one modulation for all blocks of a kind, and the single blocks' first weight in one piece in diffusers too. Source: diffusers
/// (loaders/single_file_utils.py, loaders/lora_conversion_utils.py).
/// </summary>
internal static class Flux2
{
    private static readonly NameMap Transformer = new(
    [
        .. Under("double_blocks.#.", "transformer_blocks.#.",
            Fused("img_attn.qkv", RowDivision.Equal, "attn.to_q", "attn.to_k", "attn.to_v"),
            Fused("txt_attn.qkv", RowDivision.Equal, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
            Of("img_attn.proj", "attn.to_out.0"), Of("txt_attn.proj", "attn.to_add_out"),
            Of("img_mlp.0", "ff.linear_in"), Of("img_mlp.2", "ff.linear_out"), Of("txt_mlp.0", "ff_context.linear_in"), Of("txt_mlp.2", "ff_context.linear_out"),
            Scale("img_attn.norm.query_norm", "attn.norm_q"), Scale("img_attn.norm.key_norm", "attn.norm_k"),
            Scale("txt_attn.norm.query_norm", "attn.norm_added_q"), Scale("txt_attn.norm.key_norm", "attn.norm_added_k")),
        .. Under("single_blocks.#.", "single_transformer_blocks.#.attn.",
            Of("linear1", "to_qkv_mlp_proj"), Of("linear2", "to_out"), Scale("norm.query_norm", "norm_q"), Scale("norm.key_norm", "norm_k")),
        .. ((string[])["double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation"]).Select(name => Of(name + ".lin", name + ".linear")),
        Of("img_in", "x_embedder"), Of("txt_in", "context_embedder"),
        .. Under("time_in.", "time_guidance_embed.timestep_embedder.", Of("in_layer", "linear_1"), Of("out_layer", "linear_2")),
        .. Under("guidance_in.", "time_guidance_embed.guidance_embedder.", Of("in_layer", "linear_1"), Of("out_layer", "linear_2")),
        Of("final_layer.linear", "proj_out"), Of("final_layer.adaLN_modulation.1", "norm_out.linear", RowDivision.HalvesSwapped),
    ]);

    /// <summary>All sizes: dev with Mistral, klein with Qwen3 for their text encoders, which nothing trains.</summary>
    public static Architecture Flux { get; } = new()
    {
        Name = "flux2",
        Parts = [ModelPart.Denoiser("transformer", Transformer)],
        BaseModelVersions = ["flux_2_dev", "flux_2_klein_4b", "flux_2_klein_9b", "flux2"],
        ModelSpecs = ["Flux.2-dev", "Flux.2-klein-4b", "Flux.2-klein-9b", "flux-2-dev"],
        Implementation = "https://github.com/black-forest-labs/flux2",
        Evidence = modules =>
            Evidence.Inputs(modules, module => Evidence.Ends(module, ".qkv") || Evidence.Ends(module, ".linear1"), 6144, 4096, 3072) + Evidence.Without(modules, "single_blocks.")
            + Evidence.Ratio(modules, module => Evidence.Ends(module, "mlp.0"), 6) + Evidence.Ratio(modules, module => Evidence.Ends(module, ".linear1"), 9)
            + Evidence.Blocks(modules, "double_blocks.", 5, 8) + Evidence.Blocks(modules, "single_blocks.", 20, 24, 48),
    };
}

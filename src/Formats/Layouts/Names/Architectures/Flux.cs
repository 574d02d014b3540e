using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>FLUX.1, and Chroma, which is FLUX.1 without its modulations. Source: diffusers (loaders/lora_conversion_utils.py).</summary>
internal static class Flux
{
    private const string Code = "https://github.com/black-forest-labs/flux";
    private const string Network = "networks.lora_flux";
    private const long Hidden = 3072;

    private static readonly NameRule[] Blocks =
    [
        .. Under("double_blocks.#.", "transformer_blocks.#.",
            Fused("img_attn.qkv", RowDivision.Equal, "attn.to_q", "attn.to_k", "attn.to_v"),
            Fused("txt_attn.qkv", RowDivision.Equal, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
            Of("img_attn.proj", "attn.to_out.0"), Of("txt_attn.proj", "attn.to_add_out"),
            Of("img_mlp.0", "ff.net.0.proj"), Of("img_mlp.2", "ff.net.2"), Of("txt_mlp.0", "ff_context.net.0.proj"), Of("txt_mlp.2", "ff_context.net.2"),
            Scale("img_attn.norm.query_norm", "attn.norm_q"), Scale("img_attn.norm.key_norm", "attn.norm_k"),
            Scale("txt_attn.norm.query_norm", "attn.norm_added_q"), Scale("txt_attn.norm.key_norm", "attn.norm_added_k")),
        .. Under("single_blocks.#.", "single_transformer_blocks.#.",
            Fused("linear1", RowDivision.ColumnsThenRest, "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
            Of("linear2", "proj_out"), Scale("norm.query_norm", "attn.norm_q"), Scale("norm.key_norm", "attn.norm_k")),
        Of("img_in", "x_embedder"), Of("txt_in", "context_embedder"), Of("final_layer.linear", "proj_out"),
    ];

    private static readonly NameMap Transformer = new(
    [
        .. Blocks,
        Of("double_blocks.#.img_mod.lin", "transformer_blocks.#.norm1.linear"), Of("double_blocks.#.txt_mod.lin", "transformer_blocks.#.norm1_context.linear"),
        Of("single_blocks.#.modulation.lin", "single_transformer_blocks.#.norm.linear"),
        .. Embedder("time_in", "timestep_embedder"), .. Embedder("vector_in", "text_embedder"), .. Embedder("guidance_in", "guidance_embedder"),
        Of("final_layer.adaLN_modulation.1", "norm_out.linear", RowDivision.HalvesSwapped),
    ]);

    private static readonly NameMap ChromaTransformer = new(
    [
        .. Blocks,
        .. Same("distilled_guidance_layer.in_proj", "distilled_guidance_layer.out_proj"),
        .. Under("distilled_guidance_layer.layers.#.", "distilled_guidance_layer.layers.#.", Of("in_layer", "linear_1"), Of("out_layer", "linear_2")),
        Scale("distilled_guidance_layer.norms.#", "distilled_guidance_layer.norms.#"),
    ]);

    /// <summary>FLUX.1: CLIP-L and T5, which sd-scripts numbers 1 and 3, and OneTrainer 1 and 2.</summary>
    public static Architecture Flux1 { get; } = new()
    {
        Name = "flux1",
        Parts =
        [
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.TextEncoder("text_encoder", TextEncoders.Clip, "lora_te1_", "clip_l", ["clip_l."]),
            ModelPart.TextEncoder("text_encoder_2", TextEncoders.T5, "lora_te3_", "t5xxl", ["t5xxl."], "lora_te2_"),
        ],
        BaseModelVersions = ["flux1"],
        ModelSpecs = ["flux-1-dev", "flux-1-schnell", "flux-1", "Flux.1-dev"],
        Implementation = Code,
        NetworkModule = Network,
        Evidence = Shapes,
    };

    /// <summary>Chroma: T5 alone.</summary>
    public static Architecture Chroma { get; } = new()
    {
        Name = "chroma",
        Parts =
        [
            ModelPart.Denoiser("transformer", ChromaTransformer),
            ModelPart.TextEncoder("text_encoder", TextEncoders.T5, "lora_te3_", "t5xxl", ["t5xxl."], "lora_te1_", "lora_te2_"),
        ],
        BaseModelVersions = ["chroma"],
        ModelSpecs = ["chroma"],
        NetworkModule = Network,
        Evidence = Shapes,
    };

    private static int Shapes(IReadOnlyList<FoundModule> modules) =>
        Evidence.Inputs(modules, module => Evidence.Ends(module, ".qkv") || Evidence.Ends(module, ".linear1"), Hidden) + Evidence.Without(modules, "single_blocks.")
        + Evidence.Ratio(modules, module => Evidence.Ends(module, "mlp.0"), 4) + Evidence.Blocks(modules, "double_blocks.", 19) + Evidence.Blocks(modules, "single_blocks.", 38);

    private static IEnumerable<NameRule> Embedder(string original, string diffusers) =>
        Under(original + ".", $"time_text_embed.{diffusers}.", Of("in_layer", "linear_1"), Of("out_layer", "linear_2"));

    private static IEnumerable<NameRule> Same(params string[] names) => names.Select(Rules.Same);
}

using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>
/// Cosmos Predict 2, and Anima, which is its denoiser behind a text conditioner. Sources: diffusers (loaders/single_file_utils.py, loaders/lora_conversion_utils.py), sd-scripts
/// (library/anima_models.py, networks/convert_anima_lora_to_comfy.py).
/// </summary>
internal static class Cosmos
{
    private static readonly NameMap Transformer = new(
    [
        .. Under("blocks.#.", "transformer_blocks.#.",
        [
            .. Attention("self_attn", "attn1"), .. Attention("cross_attn", "attn2"), Of("mlp.layer1", "ff.net.0.proj"), Of("mlp.layer2", "ff.net.2"),
            .. Modulation("adaln_modulation_self_attn", "norm1"), .. Modulation("adaln_modulation_cross_attn", "norm2"), .. Modulation("adaln_modulation_mlp", "norm3"),
        ]),
        .. Modulation("final_layer.adaln_modulation", "norm_out"), Of("final_layer.linear", "proj_out"), Of("x_embedder.proj.1", "patch_embed.proj"),
        .. Under("t_embedder.1.", "time_embed.t_embedder.", Same("linear_1"), Same("linear_2")), Of("t_embedding_norm", "time_embed.norm"),
    ]);

    private static readonly NameMap TextConditioner = new(
    [
        .. ((string[])["self_attn.", "cross_attn."]).SelectMany(attention =>
            ((string[])["q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"]).Select(leaf => Same("blocks.#." + attention + leaf))),
        Same("blocks.#.mlp.0"), Same("blocks.#.mlp.2"), Same("blocks.#.norm_self_attn"), Same("blocks.#.norm_cross_attn"), Same("blocks.#.norm_mlp"),
        Same("embed"), Same("in_proj"), Same("out_proj"), Same("norm"),
    ]);

    /// <summary>Anima: the conditioner is a part of the denoiser's file, and a model of its own in diffusers.</summary>
    public static Architecture Anima { get; } = new()
    {
        Name = "anima",
        Parts =
        [
            ModelPart.Within("text_conditioner", TextConditioner, "llm_adapter"),
            ModelPart.Denoiser("transformer", Transformer),
            ModelPart.LanguageModel("text_encoder", TextEncoders.LanguageModel(), "lora_te_", "qwen3_06b"),
        ],
        BaseModelVersions = ["anima"],
        ModelSpecs = ["anima-preview", "anima-unknown", "anima"],
        Implementation = "https://huggingface.co/circlestone-labs/Anima",
        Evidence = Shapes,
    };

    /// <summary>Cosmos Predict 2: with T5 of the old kind, which nothing trains.</summary>
    public static Architecture Predict2 { get; } = new()
    {
        Name = "cosmos2",
        Parts = [ModelPart.Denoiser("transformer", Transformer)],
        ModelSpecs = ["cosmos-predict2"],
        Evidence = modules => Shapes(modules) - 1,
    };

    private static int Shapes(IReadOnlyList<FoundModule> modules) => Evidence.Inputs(modules, module => Evidence.Ends(module, "self_attn.q_proj"), 2048, 5120) + Evidence.Blocks(modules, "blocks.", 28, 36);

    private static IEnumerable<NameRule> Attention(string original, string diffusers) => Under(original + ".", diffusers + ".",
        Of("q_proj", "to_q"), Of("k_proj", "to_k"), Of("v_proj", "to_v"), Of("output_proj", "to_out.0"), Of("q_norm", "norm_q"), Of("k_norm", "norm_k"));

    private static IEnumerable<NameRule> Modulation(string original, string diffusers) => [Of(original + ".1", diffusers + ".linear_1"), Of(original + ".2", diffusers + ".linear_2")];
}

using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>The text encoders of image and video models. See spec/layouts/names.md, "Text encoders".</summary>
internal static class TextEncoders
{
    private const string Layer = "text_model.encoder.layers.#.";

    private static readonly string[] ClipLeaves =
    [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2",
    ];

    private static readonly string[] ClipRest =
    [
        "text_model.embeddings.token_embedding", "text_model.embeddings.position_embedding", "text_model.final_layer_norm", "text_projection",
    ];

    /// <summary>CLIP-L: transformers' names everywhere.</summary>
    public static NameMap Clip { get; } = new([.. ClipLeaves.Select(leaf => Same(Layer + leaf)), .. ClipRest.Select(Same)]);

    /// <summary>CLIP-G and CLIP-H: transformers' names in adapters, OpenCLIP's in single-file checkpoints, q, k and v in one parameter there.</summary>
    public static NameMap OpenClip { get; } = new(
    [
        .. Under("transformer.resblocks.#.", Layer,
            Fused("attn", RowDivision.Equal, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj") with { OriginalParameter = "in_proj_weight" },
            Of("attn.out_proj", "self_attn.out_proj"), Of("mlp.c_fc", "mlp.fc1"), Of("mlp.c_proj", "mlp.fc2"), Of("ln_1", "layer_norm1"), Of("ln_2", "layer_norm2")),
        Of("token_embedding", "text_model.embeddings.token_embedding"), Of("ln_final", "text_model.final_layer_norm"), Same("text_projection"),
    ]);

    /// <summary>T5's encoder.</summary>
    public static NameMap T5 { get; } = new(
    [
        .. Under("encoder.block.#.layer.0.", "encoder.block.#.layer.0.",
            Same("SelfAttention.q"), Same("SelfAttention.k"), Same("SelfAttention.v"), Same("SelfAttention.o"), Same("SelfAttention.relative_attention_bias"), Same("layer_norm")),
        .. Under("encoder.block.#.layer.1.", "encoder.block.#.layer.1.",
            Same("DenseReluDense.wi"), Same("DenseReluDense.wi_0"), Same("DenseReluDense.wi_1"), Same("DenseReluDense.wo"), Same("layer_norm")),
        Same("encoder.final_layer_norm"), Same("shared"),
    ]);

    private static readonly string[] LanguageModelLeaves =
    [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.q_norm", "self_attn.k_norm",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
    ];

    /// <summary>Qwen, Gemma, Llama: ComfyUI has a language model with its head, as <c>model.</c>; pipelines have the body alone, or within another model.</summary>
    /// <param name="body">What transformers puts before the body's modules in the pipeline.</param>
    public static NameMap LanguageModel(string body = "") => new(Under("model.", body,
        [.. LanguageModelLeaves.Select(leaf => Same("layers.#." + leaf)), Same("embed_tokens"), Same("norm")]));
}

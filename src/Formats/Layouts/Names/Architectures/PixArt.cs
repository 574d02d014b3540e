using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>PixArt-α and Σ. Source: ComfyUI (comfy/utils.py).</summary>
internal static class PixArt
{
    private static readonly NameMap Transformer = new(
    [
        .. Under("blocks.#.", "transformer_blocks.#.",
            Fused("attn.qkv", RowDivision.Equal, "attn1.to_q", "attn1.to_k", "attn1.to_v"), Of("attn.proj", "attn1.to_out.0"),
            Of("cross_attn.q_linear", "attn2.to_q"), Fused("cross_attn.kv_linear", RowDivision.Equal, "attn2.to_k", "attn2.to_v"), Of("cross_attn.proj", "attn2.to_out.0"),
            Of("mlp.fc1", "ff.net.0.proj"), Of("mlp.fc2", "ff.net.2")),
        Of("x_embedder.proj", "pos_embed.proj"), Of("y_embedder.y_proj.fc1", "caption_projection.linear_1"), Of("y_embedder.y_proj.fc2", "caption_projection.linear_2"),
        .. Mlp("t_embedder.mlp", "adaln_single.emb.timestep_embedder"), .. Mlp("csize_embedder.mlp", "adaln_single.emb.resolution_embedder"),
        .. Mlp("ar_embedder.mlp", "adaln_single.emb.aspect_ratio_embedder"), Of("t_block.1", "adaln_single.linear"), Of("final_layer.linear", "proj_out"),
    ]);

    /// <summary>Both, with T5.</summary>
    public static Architecture Alpha { get; } = new()
    {
        Name = "pixart",
        Parts = [ModelPart.Denoiser("transformer", Transformer), ModelPart.TextEncoder("text_encoder", TextEncoders.T5, null, "t5xxl", ["t5xxl."])],
        ModelSpecs = ["pixart-alpha", "pixart-sigma"],
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, ".attn.qkv"), 1152) + Evidence.Blocks(modules, "blocks.", 28),
    };
}

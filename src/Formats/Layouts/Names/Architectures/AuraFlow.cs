using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>AuraFlow. Sources: ComfyUI (comfy/utils.py), diffusers (loaders/single_file_utils.py).</summary>
internal static class AuraFlow
{
    private static readonly NameMap Transformer = new(
    [
        .. Under("double_layers.#.", "joint_transformer_blocks.#.",
        [
            .. Attention("attn.w2", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"), .. Attention("attn.w1", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
            .. FeedForward("mlpX", "ff"), .. FeedForward("mlpC", "ff_context"), Of("modX.1", "norm1.linear"), Of("modC.1", "norm1_context.linear"),
        ]),
        .. Under("single_layers.#.", "single_transformer_blocks.#.",
            [.. Attention("attn.w1", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"), .. FeedForward("mlp", "ff"), Of("modCX.1", "norm1.linear")]),
        .. Mlp("t_embedder.mlp", "time_step_proj"), Of("cond_seq_linear", "context_embedder"), Of("init_x_linear", "pos_embed.proj"), Of("final_linear", "proj_out"),
        Of("modF.1", "norm_out.linear", RowDivision.HalvesSwapped),
    ]);

    /// <summary>With T5 of another kind (Pile), which nothing trains.</summary>
    public static Architecture Aura { get; } = new()
    {
        Name = "auraflow",
        Parts = [ModelPart.Denoiser("transformer", Transformer)],
        ModelSpecs = ["auraflow-v1", "auraflow"],
        Evidence = modules =>
            Evidence.Inputs(modules, module => Evidence.Ends(module, ".w1q"), 3072) + Evidence.Blocks(modules, "double_layers.", 4) + Evidence.Blocks(modules, "single_layers.", 32),
    };

    private static IEnumerable<NameRule> Attention(string original, params string[] diffusers) => "qkvo".Zip(diffusers, (leaf, name) => Of(original + leaf, name));

    private static IEnumerable<NameRule> FeedForward(string original, string diffusers) =>
        Under(original + ".", diffusers + ".", Of("c_fc1", "linear_1"), Of("c_fc2", "linear_2"), Of("c_proj", "out_projection"));
}

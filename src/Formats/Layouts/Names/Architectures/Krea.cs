using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>Krea 2. Sources: diffusers (loaders/lora_conversion_utils.py, models/transformers/transformer_krea2.py), musubi-tuner (networks/lora_krea2.py).</summary>
internal static class Krea
{
    private static readonly NameRule[] Block =
    [
        .. Under("attn.", "attn.", Of("wq", "to_q"), Of("wk", "to_k"), Of("wv", "to_v"), Of("wo", "to_out.0"), Of("gate", "to_gate")),
        .. Under("mlp.", "ff.", Same("gate"), Same("up"), Same("down")),
    ];

    private static readonly NameMap Transformer = new(
    [
        .. Under("blocks.#.", "transformer_blocks.#.", Block),
        .. Under("txtfusion.layerwise_blocks.#.", "text_fusion.layerwise_blocks.#.", Block), .. Under("txtfusion.refiner_blocks.#.", "text_fusion.refiner_blocks.#.", Block),
        Of("txtfusion.projector", "text_fusion.projector"), Of("txtmlp.1", "txt_in.linear_1"), Of("txtmlp.3", "txt_in.linear_2"),
        .. Mlp("tmlp", "time_embed"), Of("tproj.1", "time_mod_proj"), Of("first", "img_in"), Of("last.linear", "final_layer.linear"),
    ]);

    /// <summary>With a Qwen3-VL for its text encoder, which nothing trains.</summary>
    public static Architecture V2 { get; } = new()
    {
        Name = "krea2",
        Parts = [ModelPart.Denoiser("transformer", Transformer)],
        BaseModelVersions = ["krea2"],
        ModelSpecs = ["Krea-2"],
        Implementation = "https://github.com/krea-ai/krea-2",
        Evidence = modules => Evidence.Inputs(modules, module => Evidence.Ends(module, "attn.wq"), 6144),
    };
}

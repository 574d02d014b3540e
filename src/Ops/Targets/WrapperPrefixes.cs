using System.Collections.Frozen;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Leading components of tensor names that say which class wrapped a model, not which tensor it is. transformers drops or adds them
/// when a model is saved from or loaded into another class (a base without its head, a vision-language model before and after its
/// refactoring), so that one weight is <c>h.0…</c> on disk and <c>transformer.h.0…</c> in an adapter.
/// </summary>
internal static class WrapperPrefixes
{
    // The framework's wrappers, the two halves of a vision-language model's language side, and transformers' base_model_prefix values.
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Known = FrozenSet.ToFrozenSet(
    [
        "module", "_orig_mod", "base_model", "model", "language_model", "transformer",
        "albert", "bart", "beit", "bert", "bloom", "canine", "clip", "convbert", "convnext", "data2vec_audio", "data2vec_text",
        "data2vec_vision", "deberta", "deit", "dinov2", "distilbert", "dpt", "electra", "ernie", "esm", "flava", "fnet", "funnel",
        "gpt_neox", "gpt_neox_japanese", "hubert", "ibert", "layoutlm", "layoutlmv2", "layoutlmv3", "led", "levit", "lilt", "longformer",
        "luke", "lxmert", "markuplm", "megatron_bert", "mobilebert", "mobilevit", "mpnet", "mra", "nezha", "nystromformer", "opt",
        "pegasus", "perceiver", "qdqbert", "reformer", "regnet", "rembert", "resnet", "roberta", "roberta_prelayernorm", "roc_bert",
        "roformer", "rwkv", "segformer", "sew", "speech_to_text", "splinter", "squeezebert", "swin", "swinv2", "tapas", "unispeech",
        "unispeech_sat", "vilt", "visual_bert", "vit", "vit_mae", "wav2vec2", "wavlm", "xlm_roberta", "yolos", "yoso",
    ],
    StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The name without its leading wrappers: what two spellings of one tensor have in common.</summary>
    public static string Strip(string name)
    {
        int start = 0;
        while (true)
        {
            int dot = name.IndexOf('.', start);
            bool isLastComponent = dot < 0 || name.IndexOf('.', dot + 1) < 0;
            if (isLastComponent || !Known.Contains(name.AsSpan(start, dot - start))) return name[start..];
            start = dot + 1;
        }
    }
}

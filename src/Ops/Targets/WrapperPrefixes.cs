using System.Collections.Frozen;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Leading components of tensor names that say which class wrapped a model, not which tensor it is. transformers drops or adds them
/// when a model is saved from or loaded into another class (a base without its head, a vision-language model before and after its
/// refactoring), so that one weight is <c>h.0…</c> on disk and <c>transformer.h.0…</c> in an adapter.
/// </summary>
internal static class WrapperPrefixes
{
    // The framework's wrappers, and the two halves of a vision-language model's language side: any model may have them.
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> General = Set(
        ["module", "_orig_mod", "base_model", "model", "language_model", "transformer", "auto_model"]);

    // transformers' base_model_prefix values: each belongs to one family.
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Families = Set(
    [
        "albert", "bart", "beit", "bert", "bloom", "canine", "clip", "convbert", "convnext", "data2vec_audio", "data2vec_text",
        "data2vec_vision", "deberta", "deit", "dinov2", "distilbert", "dpt", "electra", "ernie", "esm", "flava", "fnet", "funnel",
        "gpt_neox", "gpt_neox_japanese", "hubert", "ibert", "layoutlm", "layoutlmv2", "layoutlmv3", "led", "levit", "lilt", "longformer",
        "luke", "lxmert", "markuplm", "megatron_bert", "mobilebert", "mobilevit", "mpnet", "mra", "nezha", "nystromformer", "opt",
        "pegasus", "perceiver", "qdqbert", "reformer", "regnet", "rembert", "resnet", "roberta", "roberta_prelayernorm", "roc_bert",
        "roformer", "rwkv", "segformer", "sew", "speech_to_text", "splinter", "squeezebert", "swin", "swinv2", "tapas", "unispeech",
        "unispeech_sat", "vilt", "visual_bert", "vit", "vit_mae", "wav2vec2", "wavlm", "xlm_roberta", "yolos", "yoso",
    ]);

    /// <summary>The name without its leading wrappers: what two spellings of one tensor have in common.</summary>
    public static string Strip(string name) => name[LengthIn(name)..];

    /// <summary>The leading wrappers with their dots; empty where there are none.</summary>
    public static string Of(string name) => name[..LengthIn(name)];

    /// <summary>Whether two spellings can be of one model: <c>bert.…</c> and <c>encoder.…</c>, but not <c>bert.…</c> and <c>roberta.…</c>.</summary>
    public static bool AreOfOneFamily(string one, string other) =>
        Family(one) is not { } first || Family(other) is not { } second || first == second;

    private static string? Family(string name) => Of(name).Split('.').FirstOrDefault(c => Families.Contains(c));

    private static int LengthIn(string name)
    {
        int start = 0;
        while (true)
        {
            int dot = name.IndexOf('.', start);
            if (dot < 0 || name.IndexOf('.', dot + 1) < 0) return start; // The module itself.
            ReadOnlySpan<char> component = name.AsSpan(start, dot - start);
            if (!General.Contains(component) && !Families.Contains(component)) return start;
            start = dot + 1;
        }
    }

    private static FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Set(string[] components) =>
        FrozenSet.ToFrozenSet(components, StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
}

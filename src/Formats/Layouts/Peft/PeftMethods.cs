namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What messages call the methods of PEFT: those that are not read by their peft_type, all by their tensors' names.</summary>
internal static class PeftMethods
{
    private static readonly Dictionary<string, string> Types = new(StringComparer.Ordinal)
    {
        ["ADAMSS"] = "AdaMSS",
        ["ADAPTION_PROMPT"] = "adaption prompt",
        ["BEFT"] = "BEFT",
        ["CARTRIDGE"] = "Cartridge",
        ["CPT"] = "context-aware prompt tuning",
        ["DEFT"] = "DEFT",
        ["FROD"] = "FRoD",
        ["GLORA"] = "GLoRA",
        ["LILY"] = "Lily",
        ["MULTITASK_PROMPT_TUNING"] = "multitask prompt tuning",
        ["OSF"] = "OSF",
        ["P_TUNING"] = "p-tuning",
        ["PEANUT"] = "PEANuT",
        ["POLY"] = "Poly",
        ["PREFIX_TUNING"] = "prefix tuning",
        ["PROMPT_TUNING"] = "prompt tuning",
        ["PSOFT"] = "PSOFT",
        ["SUPERTUNING"] = "super tuning",
        ["XLORA"] = "X-LoRA",
    };

    private static readonly HashSet<string> WithoutWeights = new(StringComparer.Ordinal)
    {
        "ADAPTION_PROMPT", "CARTRIDGE", "CPT", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "PROMPT_TUNING",
    };

    // By the beginning of a key's component.
    private static readonly (string Beginning, string Method)[] Keys =
    [
        ("lora_E", "AdaLoRA"),
        ("hada_", "LoHa"), ("lokr_", "LoKr"), ("ia3_l", "IA3"), ("oft_", "OFT"), ("boft_", "BOFT"), ("hra_u", "HRA"),
        ("vera_", "VeRA"), ("pvera_", "PVeRA"), ("randlora_", "RandLoRA"), ("fourierft_", "FourierFT"), ("waveft_", "WaveFT"),
        ("vblora_", "VB-LoRA"), ("unilora_", "UniLoRA"), ("miss_block", "MiSS"), ("bone_block", "Bone"), ("shira_", "SHiRA"),
        ("supertuning_", "super tuning"), ("c3a_kernel", "C3A"), ("road_theta", "RoAd"), ("road_alpha", "RoAd"), ("delora_", "DeLoRA"),
        ("gralora_", "GraLoRA"), ("hira_", "HiRA"), ("glora_", "GLoRA"), ("osf_svd_params", "OSF"), ("tinylora_", "TinyLoRA"),
        ("psoft_", "PSOFT"), ("deft_", "DEFT"), ("beft_bias", "BEFT"), ("ln_tuning_layers", "layer-norm tuning"),
        ("prompt_embeddings", "prompt tuning"), ("adaption_", "adaption prompt"), ("poly_lora_", "Poly"),
    ];

    /// <summary>Why an adapter of this type is refused, as the end of a sentence.</summary>
    public static string Refusal(string peftType)
    {
        if (!Types.TryGetValue(peftType, out string? name)) return "no method that LoraKit knows";
        return WithoutWeights.Contains(peftType)
            ? $"{name}, which changes no weights: there is nothing to read as an update"
            : $"{name}, which is not read yet";
    }

    /// <summary>The method that a component of a key belongs to; null for none of these.</summary>
    public static string? OfKey(string component)
    {
        foreach ((string beginning, string method) in Keys)
        {
            if (component.StartsWith(beginning, StringComparison.Ordinal)) return method;
        }

        return null;
    }
}

using System.Text.Json;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What adapter_config.json says that makes an adapter more than plain LoRA: refused by name, never read as something else.</summary>
internal static class PeftRefusals
{
    private static readonly (string Setting, string What)[] Variants =
    [
        ("use_dora", "DoRA, whose update depends on the base's weights and which is not read yet; merge it into its base with PEFT, and extract a plain LoRA from the result"),
        ("target_parameters", "LoRA on parameters instead of modules, which is not read yet"),
        ("kasa_config", "KaSA, which truncates the base's weights and is not read yet"),
        ("use_bdlora", "BD-LoRA, whose factors are block-diagonal and packed, which is not read yet"),
        ("use_qalora", "QALoRA, whose factors are pooled for a quantized base, which is not read yet"),
        ("alora_invocation_tokens", "activated LoRA, which applies to part of the tokens and cannot be merged"),
        ("arrow_config", "Arrow, which routes between adapters at run time and cannot be merged"),
        ("layer_replication", "repeated layers: the base's layers must be duplicated first, which is not done yet"),
    ];

    /// <exception cref="UnsupportedException">The adapter is of a kind that is not read.</exception>
    public static void Check(PeftConfig config)
    {
        JsonSettings settings = config.Settings;
        if (config.PeftType is not ("LORA" or "TRAINABLE_TOKENS") && PeftMethodList.Of(config.PeftType) is null)
        {
            throw Refuse(settings, "peft_type", PeftMethods.Refusal(config.PeftType));
        }

        foreach ((string setting, string what) in Variants)
        {
            if (settings.IsSet(setting)) throw Refuse(settings, setting, what);
        }

        if (Initialization(settings) is { } initialization) throw Refuse(settings, "init_lora_weights", initialization);
    }

    /// <summary>Initializations that take something out of the base's weights: the update belongs to the changed base, not to the original.</summary>
    private static string? Initialization(JsonSettings settings)
    {
        if (settings.Json["init_lora_weights"] is not { } value || value.GetValueKind() is JsonValueKind.True or JsonValueKind.False) return null;
        const string cure = "; save it with path_initial_model_for_weight_conversion to get a plain LoRA";
        string name = settings.Text("init_lora_weights")!;
        return name.ToLowerInvariant() switch
        {
            "gaussian" or "eva" or "orthogonal" or "mica" => null,
            "olora" => "OLoRA, which takes the initial factors out of the base" + cure,
            "loftq" => "LoftQ, which was trained on a quantized approximation of the base; it belongs to that base alone",
            "lora_ga" => "LoRA-GA, which takes the initial factors out of the base" + cure,
            { } pissa when pissa.StartsWith("pissa", StringComparison.Ordinal) => "PiSSA, which takes the initial factors out of the base" + cure,
            { } corda when corda.StartsWith("corda", StringComparison.Ordinal) => "CorDA, which takes the initial factors out of the base" + cure,
            _ => "an initialization that LoraKit does not know: it may have changed the base",
        };
    }

    private static UnsupportedException Refuse(JsonSettings settings, string setting, string what) => new(
        $"{Printable.Text(settings.Path)}: '{setting}' {Printable.Text(settings.Json[setting]!.ToJsonString())} means "
        + $"{what}", settings.Path);
}

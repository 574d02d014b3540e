using System.Text.Json;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What adapter_config.json says that makes an adapter more than plain LoRA: refused by name, never read as something else.</summary>
internal static class PeftRefusals
{
    private static readonly (string Setting, string What)[] Variants =
    [
        ("use_qalora", "QALoRA, whose A sums groups of inputs for a GPTQ base: PEFT does not merge it, and its dense form belongs to the dequantized base, which is no file"),
        ("alora_invocation_tokens", "activated LoRA, which applies to part of the tokens and cannot be merged"),
        ("arrow_config", "Arrow, which routes between adapters at run time and cannot be merged"),
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
            "gaussian" or "eva" or "orthogonal" or "mica" or "pissa" or "olora" => null,
            "loftq" => "LoftQ, which was trained on a quantized approximation of the base; it belongs to that base alone",
            "lora_ga" => "LoRA-GA, which takes initial factors made of gradients out of the base, and the gradients are not in the file" + cure,
            { } pissa when pissa.StartsWith("pissa_niter_", StringComparison.Ordinal) => "PiSSA by a randomized decomposition, which takes out of the base what no one can repeat" + cure,
            { } corda when corda.StartsWith("corda", StringComparison.Ordinal) => "CorDA, which takes initial factors made of sampled covariances out of the base, and these are not in the file" + cure,
            _ => "an initialization that LoraKit does not know: it may have changed the base",
        };
    }

    private static UnsupportedException Refuse(JsonSettings settings, string setting, string what) => new(
        $"{Printable.Text(settings.Path)}: '{setting}' {Printable.Text(settings.Json[setting]!.ToJsonString())} means "
        + $"{what}", settings.Path);
}

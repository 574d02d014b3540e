using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Ops.Conversion;

/// <summary>What the result says of training: what is true of plain LoRA still, without the settings of the method that it was.</summary>
internal static class ResultConfig
{
    /// <summary>Settings that PEFT has whatever the method.</summary>
    private static readonly string[] General =
    [
        "auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out", "inference_mode", "layers_pattern", "layers_to_transform",
        "modules_to_save", "revision", "target_modules", "task_type", "trainable_token_indices",
    ];

    /// <summary>Variants of LoRA, each by the value that switches it off.</summary>
    private static readonly (string Setting, JsonNode? Off)[] Variants =
    [
        ("use_dora", false), ("use_bdlora", null), ("kasa_config", null), ("init_lora_weights", true), ("corda_config", null), ("eva_config", null), ("loftq_config", new JsonObject()),
    ];

    /// <param name="adapter">As it was read.</param>
    /// <param name="layout">The layout that is written.</param>
    /// <param name="architecture">Whose modules they are; null where names did not have to tell.</param>
    /// <param name="isConverted">Whether any update is another now.</param>
    public static AdapterConfig? Of(Adapter adapter, string layout, Architecture? architecture, bool isConverted)
    {
        // Another program's arguments mean nothing there.
        if (adapter.Layout != layout && adapter.Config?.Json.ContainsKey("peft_type") == false)
        {
            return adapter.Config.BaseModel is { } model ? new AdapterConfig(new JsonObject { ["base_model_name_or_path"] = model }) : null;
        }

        if (adapter.Config is null && layout == "peft" && architecture is not null) return ResultMetadata.Config(adapter, architecture);
        if (adapter.Config is not { } config || !isConverted) return adapter.Config;
        bool isLora = config.Json["peft_type"] is JsonValue type && type.TryGetValue(out string? name) && name == "LORA";
        JsonObject json = [];
        foreach ((string setting, JsonNode? value) in config.Json)
        {
            if (isLora || General.Contains(setting)) json[setting] = value?.DeepClone();
        }

        foreach ((string setting, JsonNode? off) in Variants)
        {
            if (json.ContainsKey(setting)) json[setting] = off?.DeepClone();
        }

        return new AdapterConfig(json);
    }
}

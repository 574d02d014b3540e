using System.Text.Json.Nodes;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>PEFT 0.20's LoraConfig as it is saved, for adapters that no training described.</summary>
internal static class PeftDefaults
{
    private const string Settings = """
        {
          "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null, "base_model_name_or_path": null,
          "bias": "none", "corda_config": null, "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false,
          "inference_mode": true, "init_lora_weights": true, "layer_replication": null, "layers_pattern": null, "layers_to_transform": null,
          "loftq_config": {}, "lora_alpha": 8, "lora_bias": false, "lora_dropout": 0.0, "megatron_config": null, "megatron_core": "megatron.core",
          "modules_to_save": null, "peft_type": "LORA", "qalora_group_size": 16, "r": 8, "rank_pattern": {}, "revision": null,
          "target_modules": null, "target_parameters": null, "task_type": null, "trainable_token_indices": null, "use_dora": false,
          "use_qalora": false, "use_rslora": false
        }
        """;

    /// <summary>LoHaConfig and LoKrConfig, as far as they agree.</summary>
    private const string LycorisSettings = """
        {
          "alpha": 8, "alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": null, "exclude_modules": null, "inference_mode": true,
          "init_weights": true, "layers_pattern": null, "layers_to_transform": null, "module_dropout": 0.0, "modules_to_save": null, "r": 8,
          "rank_dropout": 0.0, "rank_pattern": {}, "revision": null, "target_modules": null, "task_type": null, "use_effective_conv2d": false
        }
        """;

    /// <summary>What training said, as far as it is of this method, filled up with its defaults.</summary>
    public static JsonObject Complete(JsonObject? source, string peftType)
    {
        if (peftType == PeftKinds.Lora) return Complete(source);
        if (source?["peft_type"] is JsonValue type && (string?)type == peftType) return (JsonObject)source.DeepClone();
        JsonObject complete = JsonNode.Parse(LycorisSettings)!.AsObject();
        foreach ((string name, JsonNode? value) in source ?? [])
        {
            if (complete.ContainsKey(name)) complete[name] = value?.DeepClone();
        }

        complete["peft_type"] = peftType;
        return complete;
    }

    /// <summary>The settings that LoraConfig has and that say something else than PEFT assumes; rank and alpha always.</summary>
    public static IEnumerable<KeyValuePair<string, JsonNode?>> Beyond(JsonObject config)
    {
        JsonObject defaults = JsonNode.Parse(Settings)!.AsObject();
        return config.Where(entry => entry.Key is "peft_type" or "r" or "lora_alpha"
            || (defaults.TryGetPropertyValue(entry.Key, out JsonNode? known) && !JsonNode.DeepEquals(known, entry.Value)));
    }

    /// <summary>A copy of what training said, filled up with the defaults where that is no configuration of PEFT's.</summary>
    private static JsonObject Complete(JsonObject? source)
    {
        JsonObject copy = source is null ? [] : (JsonObject)source.DeepClone();
        if (copy.ContainsKey("peft_type")) return copy;
        JsonObject complete = JsonNode.Parse(Settings)!.AsObject();
        foreach ((string name, JsonNode? value) in copy)
        {
            complete[name] = value?.DeepClone();
        }

        return complete;
    }
}

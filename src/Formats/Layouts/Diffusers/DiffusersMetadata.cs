using System.Text;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft;

namespace LoraKit.Formats.Layouts.Diffusers;

/// <summary>
/// The configurations of PEFT that diffusers packs into the header: one JSON text, each setting behind the name of its component
/// (<c>unet.lora_alpha</c>).
/// </summary>
internal static class DiffusersMetadata
{
    public const string Key = "lora_adapter_metadata";

    private static readonly string[] Variants = ["use_bdlora", "target_parameters", "layer_replication", "enable_lora"];

    /// <summary>PEFT's configuration of each component (<c>unet.</c>); none where the header has no such text.</summary>
    /// <param name="file">For messages.</param>
    /// <param name="metadata">The file's own.</param>
    /// <exception cref="InvalidAdapterException">The text is no JSON object, or a setting has a value of the wrong type.</exception>
    /// <exception cref="UnsupportedException">A component uses another method than LoRA, or a variant of it that is read in PEFT's own layout alone.</exception>
    public static IReadOnlyDictionary<string, PeftConfig> Read(string file, IReadOnlyDictionary<string, string> metadata)
    {
        Dictionary<string, PeftConfig> configs = new(StringComparer.Ordinal);
        foreach ((string component, JsonObject settings) in Components(file, metadata))
        {
            settings.TryAdd("peft_type", "LORA");
            PeftConfig config = new(new AdapterConfig(settings), $"{file} ({Key}, {component[..^1]})");
            PeftRefusals.Check(config);
            if (config.PeftType != "LORA")
            {
                throw new UnsupportedException($"{Printable.Text(config.Settings.Path)}: is of the method {Printable.Text(config.PeftType)}; this layout reads LORA", file);
            }

            RefuseVariants(config, file);
            configs.Add(component, config);
        }

        return configs;
    }

    /// <summary>A component's configuration as one text of the header, to be made true when it is written: what differs from PEFT's defaults.</summary>
    /// <param name="component">Its name, with the dot: <c>unet.</c>.</param>
    /// <param name="config">PEFT's.</param>
    public static string Pack(string component, AdapterConfig config)
    {
        JsonObject packed = [];
        foreach ((string setting, JsonNode? value) in PeftDefaults.Beyond(config.Json)) packed[component + setting] = value?.DeepClone();
        return packed.ToJsonString();
    }

    /// <summary>PEFT's configuration of a component; null where the header has none.</summary>
    /// <param name="file">For messages.</param>
    /// <param name="metadata">The file's own.</param>
    /// <param name="component">Its name, with the dot.</param>
    public static AdapterConfig? Unpack(string file, IReadOnlyDictionary<string, string> metadata, string component) =>
        Components(file, metadata).GetValueOrDefault(component) is { } settings ? new(settings) : null;

    /// <summary>
    /// The metadata, true of these modules: written anew where a scale is not 1, where ranks differ (diffusers took the first for all of them until 2026), where a module has DoRA, or where there was
    /// one; else absent.
    /// </summary>
    /// <param name="file">For messages.</param>
    /// <param name="metadata">What there was.</param>
    /// <param name="modules">The updates; each module's name begins with its component.</param>
    public static Dictionary<string, string> Of(string file, IReadOnlyDictionary<string, string> metadata, IReadOnlyList<AdapterDelta> modules)
    {
        Dictionary<string, string> result = new(metadata, StringComparer.Ordinal);
        result.TryAdd("format", "pt");
        if (!metadata.ContainsKey(Key) && modules.All(module => module is LowRankDelta { Scale: 1 } lora && lora.Rank == modules[0].Facts.Rank)) return result;
        Dictionary<string, JsonObject> before = Components(file, metadata);
        JsonObject packed = [];
        foreach (IGrouping<string, AdapterDelta> component in modules.GroupBy(module => DiffusersKey.ComponentOf(module.Target.Module.Path)!).OrderBy(c => c.Key, StringComparer.Ordinal))
        {
            JsonObject settings = before.GetValueOrDefault(component.Key) ?? [];
            settings.TryAdd("peft_type", "LORA");
            PeftRanks.Set(settings, [.. component.Select(module => PeftKinds.Factors(module)!).Select(module => new RankedModule(Within(component.Key, module.Target.Module), module.Rank, module.Scale))]);
            bool isDora = component.Any(module => module is MagnitudeDelta);
            if (isDora || settings.ContainsKey("use_dora")) settings["use_dora"] = isDora;
            // diffusers makes a LoraConfig of these settings alone, and PEFT takes none without targets.
            PeftSelection.Set(settings, [.. component.Select(module => Within(component.Key, module.Target.Module))], baseModules: null);
            foreach ((string name, JsonNode? value) in settings.OrderBy(setting => setting.Key, StringComparer.Ordinal))
            {
                packed[component.Key + name] = value?.DeepClone();
            }
        }

        result[Key] = packed.ToJsonString();
        return result;
    }

    /// <summary>The module's path within its component, as PEFT's patterns mean it.</summary>
    public static ModuleName Within(string component, ModuleName module) => new(module.Path[component.Length..]);

    // DoRA apart, diffusers saves none of these; read as plain LoRA they would be something else.
    private static void RefuseVariants(PeftConfig config, string file)
    {
        string? variant = config.Settings.Json["kasa_config"] is not null ? "kasa_config"
            : config.Initialization is "pissa" or "olora" ? "init_lora_weights"
            : Array.Find(Variants, config.Settings.IsSet);
        if (variant is null) return;
        throw new UnsupportedException(
            $"{Printable.Text(config.Settings.Path)}: '{variant}' {Printable.Text(config.Settings.Json[variant]!.ToJsonString())} is a variant of LoRA that is not read in this layout", file);
    }

    private static Dictionary<string, JsonObject> Components(string file, IReadOnlyDictionary<string, string> metadata)
    {
        Dictionary<string, JsonObject> components = new(StringComparer.Ordinal);
        if (!metadata.TryGetValue(Key, out string? text)) return components;
        foreach ((string name, JsonNode? value) in AdapterConfigFile.Parse(Encoding.UTF8.GetBytes(text), $"{file} ({Key})").Json)
        {
            if (DiffusersKey.ComponentOf(name) is not { } component) continue;
            if (!components.TryGetValue(component, out JsonObject? settings)) components.Add(component, settings = []);
            settings[name[component.Length..]] = value?.DeepClone();
        }

        return components;
    }
}

using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// r, lora_alpha (of other methods alpha), their patterns and use_rslora, from the modules' own ranks and scales. What the configuration says stays as long as it is
/// true; its patterns stay with new numbers where each still speaks for modules that agree; else every exception is named in full.
/// </summary>
internal static class PeftRanks
{
    /// <summary>Makes the settings true.</summary>
    /// <param name="config">The configuration; changed.</param>
    /// <param name="modules">The modules.</param>
    public static void Set(JsonObject config, IReadOnlyList<RankedModule> modules)
    {
        PeftConfig stated = Parsed(config);
        string alphaSetting = stated.PeftType == PeftKinds.Lora ? "lora_alpha" : "alpha";
        if (modules.All(module => stated.Says(module.Name, module.Rank, module.Scale))) return;

        bool stabilized = stated.Settings.Flag("use_rslora");
        // α/√r has fewer values than α/r; where it misses one, the plain quotient may have them all.
        if (stabilized && !modules.All(module => IsExact(module, true)) && modules.All(module => IsExact(module, false))) stabilized = false;
        if (stabilized != stated.Settings.Flag("use_rslora")) config["use_rslora"] = stabilized;

        var patterns = modules.ToDictionary(module => module, module => stated.PatternsOf(module.Name));
        (long rank, JsonObject ranks) = ModulePatternPlan.Of(
            modules, module => module.Rank, module => patterns[module].Rank, stated.Settings.WholeNumber("r", 8), value => value);
        (double alpha, JsonObject alphas) = ModulePatternPlan.Of(
            modules, module => Alpha(module, stabilized), module => patterns[module].Alpha, stated.Settings.Number(alphaSetting, 8), Number);
        config["r"] = rank;
        config[alphaSetting] = Number(alpha);
        SetPattern(config, "rank_pattern", ranks);
        SetPattern(config, "alpha_pattern", alphas);

        PeftConfig written = Parsed(config);
        if (modules.FirstOrDefault(module => !written.Says(module.Name, module.Rank, Alpha(module, stabilized) / Divisor(module, stabilized))) is { Rank: > 0 } wrong)
        {
            throw new InvalidOperationException($"{wrong.Name}: the patterns do not give its rank {wrong.Rank} and scale {wrong.Scale}");
        }
    }

    private static bool IsExact(RankedModule module, bool stabilized) => Alpha(module, stabilized) / Divisor(module, stabilized) == module.Scale;

    private static double Alpha(RankedModule module, bool stabilized) => AlphaOfScale.Of(module.Scale, Divisor(module, stabilized));

    private static double Divisor(RankedModule module, bool stabilized) => stabilized ? Math.Sqrt(module.Rank) : module.Rank;

    private static PeftConfig Parsed(JsonObject config) => new(new AdapterConfig(config), AdapterConfigFile.Name);

    private static void SetPattern(JsonObject config, string setting, JsonObject entries)
    {
        if (entries.Count > 0 || config[setting] is not null) config[setting] = entries;
    }

    private static JsonNode Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15 ? (long)value : value;
}

using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What adapter_config.json says, with PEFT's defaults for the rest. Wrong types are errors, unknown settings are not.</summary>
internal sealed class PeftConfig
{
    private readonly long _rank;
    private readonly double _alpha;
    private readonly bool _rankStabilized;
    private readonly ModulePatterns<long> _rankPatterns;
    private readonly ModulePatterns<double> _alphaPatterns;

    /// <exception cref="InvalidAdapterException">A setting has a value of the wrong type.</exception>
    public PeftConfig(AdapterConfig config, string path)
    {
        Settings = new JsonSettings(config.Json, path);
        PeftType = Settings.Text("peft_type")
            ?? throw new InvalidAdapterException(
                $"{Printable.Text(path)}: 'peft_type' is missing; expected \"LORA\" or another of PEFT's methods", path);
        BaseModel = Settings.Text("base_model_name_or_path");
        Initialization = Settings.Json["init_lora_weights"] is { } name && name.GetValueKind() == JsonValueKind.String ? Settings.Text("init_lora_weights")!.ToLowerInvariant() : null;
        Version = VersionOf(Settings.Text("peft_version") ?? "");
        _rank = Settings.WholeNumber("r", PeftType switch { "GRALORA" or "HIRA" => 32, "VBLORA" => 4, _ => 8 });
        bool isLora = PeftType is "LORA" or "ADALORA";
        _alpha = Settings.Number(isLora ? "lora_alpha" : "alpha", PeftType == "GRALORA" ? 64 : 8);
        _rankStabilized = Settings.Flag("use_rslora");
        // AdaLoRA keeps lists of flags in a setting of the same name.
        bool hasPatterns = PeftType != "ADALORA";
        _rankPatterns = new("rank_pattern", path, hasPatterns ? Settings.Map("rank_pattern", Settings.AsWholeNumber) : []);
        _alphaPatterns = new("alpha_pattern", path, hasPatterns ? Settings.Map("alpha_pattern", Settings.AsNumber) : []);
        IsConv1D = Settings.Flag("fan_in_fan_out");
        TiesWeights = Settings.Flag("ensure_weight_tying");
        HasLoraBias = Settings.Flag("lora_bias");
        Biases = Settings.Text("bias") switch
        {
            null or "none" => TrainedBiases.None,
            "all" => TrainedBiases.All,
            "lora_only" => TrainedBiases.LoraOnly,
            // oft_only, boft_only, …: of the updated modules, as lora_only.
            { } only when PeftType != "LORA" && only.EndsWith("_only", StringComparison.Ordinal) => TrainedBiases.LoraOnly,
            _ => throw Settings.Wrong("bias", config.Json["bias"], "\"none\", \"all\" or \"lora_only\""),
        };
        ModulesToSave = [.. Settings.Texts("modules_to_save") ?? [], .. HeadsOf(Settings.Text("task_type"))];
        Targets = new PeftTargets(Settings);
        LayerReplication = Ranges(Settings, "layer_replication");
        Parameters = new TargetParameters(Settings, Targets);
        TokenRows = new TokenRows(Settings, PeftType == "TRAINABLE_TOKENS" ? "token_indices" : "trainable_token_indices");
    }

    public JsonSettings Settings { get; }

    public string PeftType { get; }

    public string? BaseModel { get; }

    /// <summary>How the factors began, in small letters, where that has a name.</summary>
    public string? Initialization { get; }

    /// <summary>The release of PEFT that wrote the file; null where it says none, as before 0.18.</summary>
    public Version? Version { get; }

    /// <summary>What the file says of square matrices; it is unreliable for all others, whose shape tells.</summary>
    public bool IsConv1D { get; }

    /// <summary>The update of a tied embedding is written for the head too.</summary>
    public bool TiesWeights { get; }

    public bool HasLoraBias { get; }

    public TrainedBiases Biases { get; }

    /// <summary>Endings of the names of modules saved in full, with those that a task implies.</summary>
    public IReadOnlyList<string> ModulesToSave { get; }

    public PeftTargets Targets { get; }

    /// <summary>The layers that the model is made of; empty where it is the base's own.</summary>
    public IReadOnlyList<(long Start, long End)> LayerReplication { get; }

    /// <summary>What training was aimed at beside modules.</summary>
    public TargetParameters Parameters { get; }

    public TokenRows TokenRows { get; }

    /// <summary>Patterns that decided for no module so far, as (setting, pattern).</summary>
    public IEnumerable<(string Setting, string Pattern)> UnusedPatterns =>
        [.. _rankPatterns.Unused.Select(p => ("rank_pattern", p)), .. _alphaPatterns.Unused.Select(p => ("alpha_pattern", p))];

    /// <summary>The pattern that decides for a module's rank, and the one for its alpha; null where the plain setting does.</summary>
    public (string? Rank, string? Alpha) PatternsOf(ModuleName module) => (_rankPatterns.Find(module.Path)?.Key, _alphaPatterns.Find(module.Path)?.Key);

    /// <summary>Whether it was saved by this version of PEFT or a later one; older ones than 0.18 do not say theirs.</summary>
    public bool IsSince(int major, int minor)
    {
        string[] parts = (Settings.Text("peft_version") ?? "").Split('.');
        return parts.Length >= 2 && int.TryParse(parts[0], out int savedMajor) && int.TryParse(parts[1], out int savedMinor)
            && (savedMajor, savedMinor).CompareTo((major, minor)) >= 0;
    }

    /// <summary>Whether a module has this rank and, to the last bit, this scale.</summary>
    public bool Says(ModuleName module, long rank, double scale) =>
        (_rankPatterns.Find(module.Path)?.Value ?? _rank) == rank && Scale(_alphaPatterns.Find(module.Path)?.Value ?? _alpha, rank) == scale;

    /// <summary>The scale of a module: rank and alpha looked up apart, the rank the configuration's and not the tensors'.</summary>
    /// <exception cref="InvalidAdapterException">The rank is not above 0, or a pattern cannot be used.</exception>
    public ModuleScale ScaleOf(ModuleName module)
    {
        (long rank, string origin) = _rankPatterns.Find(module.Path) is { } entry
            ? (entry.Value, $"rank_pattern '{Printable.Text(entry.Key)}'")
            : (_rank, Settings.Json.ContainsKey("r") ? "'r'" : "the default of 'r'");
        double alpha = _alphaPatterns.Find(module.Path)?.Value ?? _alpha;
        if (rank <= 0)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(Settings.Path)}: module '{Printable.Text(module.Path)}' has rank {rank} (from {origin}); expected a "
                + "rank above 0",
                Settings.Path, module.Path);
        }

        return new ModuleScale(rank, alpha, Scale(alpha, rank), origin);
    }

    /// <summary>The first three numbers of <c>0.20.1.dev0@…</c>.</summary>
    private static Version? VersionOf(string text)
    {
        string[] numbers = [.. text.Split('.').Take(3).Select(part => string.Concat(part.TakeWhile(char.IsAsciiDigit))).TakeWhile(digits => digits.Length > 0)];
        return Version.TryParse(string.Join('.', numbers), out Version? version) ? version : null;
    }

    private static IReadOnlyList<(long Start, long End)> Ranges(JsonSettings settings, string name)
    {
        if (!settings.IsSet(name)) return [];
        const string expected = "a list of [first layer, layer behind the last]";
        return settings.Json[name] is JsonArray ranges ? [.. ranges.Select(Range)] : throw settings.Wrong(name, settings.Json[name], expected);

        (long, long) Range(JsonNode? range) => settings.WholeNumbers(name, range) is [var start, var end] ? (start, end) : throw settings.Wrong(name, range, expected);
    }

    private double Scale(double alpha, long rank) => alpha / (_rankStabilized ? Math.Sqrt(rank) : rank);

    /// <summary>PEFT saves these whatever modules_to_save says, and before 0.7 did not even write them into it.</summary>
    private static string[] HeadsOf(string? taskType) => taskType switch
    {
        "SEQ_CLS" or "TOKEN_CLS" => ["classifier", "score"],
        "QUESTION_ANS" => ["qa_outputs"],
        _ => [],
    };
}

using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>What mlx-lm's adapter_config.json says: the arguments of the training. See spec/layouts/mlx.md, "Scale".</summary>
internal sealed class MlxConfig
{
    public const string Parameters = "lora_parameters";
    public const string Method = "fine_tune_type";

    // mlx-lm divided by the rank until 2 June 2024, and these settings came on 16 May and 30 September of that year. It wrote alpha,
    // without using it, until April 2025.
    private static readonly string[] SinceAlphaIsUnused = [Method, "num_layers", "use_dora"];

    private readonly JsonSettings _settings;

    /// <exception cref="InvalidAdapterException">A setting has a value of the wrong type.</exception>
    /// <exception cref="UnsupportedException">It was trained by an unknown method.</exception>
    public MlxConfig(AdapterConfig config, string path)
    {
        _settings = new JsonSettings(config.Json, path);
        string method = _settings.Text(Method) ?? (_settings.Flag("use_dora") ? "dora" : "lora");
        IsFull = method == "full";
        IsDora = method == "dora";
        if (method is not ("lora" or "dora" or "full"))
        {
            throw new UnsupportedException(
                $"{Printable.Text(path)}: '{Method}' is \"{Printable.Text(method)}\", which is not read; expected \"lora\", \"dora\" or \"full\"", path);
        }
    }

    /// <summary>Whether the file has weights in full, and no updates.</summary>
    public bool IsFull { get; }

    /// <summary>Whether each module has magnitudes.</summary>
    public bool IsDora { get; }

    /// <summary>The multiplier of B·A, the same for all modules, and the rank where it is said.</summary>
    /// <exception cref="InvalidAdapterException">It is not said, or is no finite number.</exception>
    public (double Scale, long? Rank, AdapterIssue? Issue) Lora()
    {
        if (_settings.Json[Parameters] is not JsonObject members) throw _settings.Wrong(Parameters, _settings.Json[Parameters], "an object with rank and scale");
        JsonSettings parameters = new(members, _settings.Path);
        long? rank = members["rank"] is { } value ? parameters.AsWholeNumber("rank", value) : null;
        if (rank <= 0) throw parameters.Wrong("rank", members["rank"], "a rank above 0");
        double scale = members["scale"] is { } stated ? parameters.AsNumber("scale", stated) : throw parameters.Wrong("scale", null, "a finite number");
        if (members["alpha"] is not { } given) return (scale, rank, null);
        double alpha = parameters.AsNumber("alpha", given);
        if (SinceAlphaIsUnused.Any(_settings.Json.ContainsKey)) return (scale, rank, null);
        if (rank is not { } divisor) throw parameters.Wrong("rank", null, "a rank: this configuration is of the time when mlx-lm multiplied by scale·alpha/rank");
        double old = scale * (alpha / divisor);
        return (old, rank, new("legacy_alpha", IssueSeverity.Info,
            $"the configuration is of the time when mlx-lm multiplied by scale·alpha/rank, here {old}; mlx-lm of today would take {scale}", $"{Parameters}.alpha"));
    }
}

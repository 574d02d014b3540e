using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Modules named as sd-scripts and LyCORIS do: a prefix for the part of the pipeline, then the path with <c>_</c> for <c>.</c>. Which of its underscores were
/// dots nobody can tell from the name, so the base's own names are flattened and compared.
/// </summary>
internal sealed class FlattenedNames(IEnumerable<string> baseNames)
{
    // What checkpoints put before the denoiser's names, and before each text encoder's.
    private static readonly string[] Denoiser = ["model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "prior.", "model."];
    private static readonly string[] FirstEncoder =
        ["text_encoder.", "cond_stage_model.transformer.", "cond_stage_model.model.", "conditioner.embedders.0.transformer.", "text_encoders.clip_l.transformer.", "clip_l.transformer."];
    private static readonly string[] SecondEncoder =
        ["text_encoder_2.", "conditioner.embedders.1.model.", "text_encoders.clip_g.transformer.", "clip_g.transformer."];
    private static readonly string[] T5Encoder = ["text_encoder_3.", "text_encoder_2.", "text_encoders.t5xxl.transformer.", "t5xxl.transformer."];

    private static readonly (string OfFile, string[] OfBase)[] Parts =
    [
        ("lycoris_", [.. Denoiser, .. FirstEncoder, .. SecondEncoder, .. T5Encoder]),
        ("lora_unet_", Denoiser),
        ("lora_prior_unet_", Denoiser),
        ("lora_transformer_", Denoiser),
        ("oft_unet_", Denoiser),
        ("lora_te_", FirstEncoder),
        ("lora_te1_", FirstEncoder),
        ("lora_te2_", [.. SecondEncoder, .. T5Encoder]),
        ("lora_te3_", T5Encoder),
        ("lora_prior_te_", [.. FirstEncoder, .. SecondEncoder]),
    ];

    private readonly Lazy<ILookup<string, string>> _flattened = new(() => baseNames.ToLookup(Flattened, StringComparer.Ordinal));
    private readonly Lazy<IReadOnlyList<string>> _prefixes = new(() => new BaseNames(baseNames).Prefixes);

    /// <summary>Whether a module is named so.</summary>
    public static bool Are(ModuleName module) => !module.Path.Contains('.') && Parts.Any(part => module.Path.StartsWith(part.OfFile, StringComparison.Ordinal));

    /// <summary>
    /// Where they are: under a known prefix of the base or none; what is found nowhere so, under one unknown prefix if it explains all of that and no other does.
    /// </summary>
    /// <param name="parameters">Of modules that <see cref="Are"/> named so.</param>
    public Dictionary<ParameterName, Target> Resolve(IReadOnlyCollection<ParameterName> parameters)
    {
        Dictionary<ParameterName, Target> targets = [];
        List<ParameterName> missing = [];
        foreach (ParameterName parameter in parameters)
        {
            string[] found = [.. PartOf(parameter).OfBase.Append("").SelectMany(prefix => Under(prefix, parameter)).Distinct().Order(StringComparer.Ordinal)];
            if (found.Length == 0) missing.Add(parameter);
            else targets[parameter] = found.Length == 1 ? new(found[0], null) : new(null, $"{parameter} could be any of {string.Join(", ", found)}");
        }

        string[] unknown = missing.Count == 0 ? [] : [.. _prefixes.Value.Where(prefix => missing.All(parameter => Under(prefix, parameter).Count() == 1)).Take(2)];
        foreach (ParameterName parameter in missing)
        {
            targets[parameter] = unknown.Length == 1 ? new(Under(unknown[0], parameter).Single(), null) : new(null, Miss(parameter, unknown.Length));
        }

        return targets;
    }

    /// <summary>The base's names that are a prefix and what flattens to the parameter's.</summary>
    private IEnumerable<string> Under(string prefix, ParameterName parameter) =>
        _flattened.Value[Flattened(prefix + parameter.Path[PartOf(parameter).OfFile.Length..])].Where(name => name.StartsWith(prefix, StringComparison.Ordinal));

    private static string Miss(ParameterName parameter, int rules) => rules > 1
        ? $"{parameter} is in the base under more than one prefix"
        : $"{parameter} is not in the base: none of its names is '{parameter.Path[PartOf(parameter).OfFile.Length..]}' with '_' for '.'";

    private static (string OfFile, string[] OfBase) PartOf(ParameterName parameter) =>
        Parts.First(part => parameter.Path.StartsWith(part.OfFile, StringComparison.Ordinal));

    /// <summary>A tensor's name with its module flattened, its parameter as it is.</summary>
    private static string Flattened(string name) => name.LastIndexOf('.') is var dot and > 0 ? name[..dot].Replace('.', '_') + name[dot..] : name;
}

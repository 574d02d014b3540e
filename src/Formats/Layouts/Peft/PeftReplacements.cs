using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Replacements as PEFT keeps them: each by its own spelling of a key, and with what the configuration has to say for it to be loaded.</summary>
internal sealed class PeftReplacements
{
    private readonly IReadOnlyList<Replacement> _replacements;
    private readonly HashSet<ModuleName> _updated;
    private readonly HashSet<ModuleName> _embeddings;
    private readonly HashSet<ModuleName> _withRows;

    public PeftReplacements(Adapter adapter)
    {
        _replacements = adapter.Replacements;
        AdapterDelta[] modules = [.. adapter.Deltas.Where(update => PeftKinds.TypeOf(update) is not null)];
        _updated = [.. modules.Select(module => module.Target.Module)];
        _embeddings = [.. modules.Where(module => module.IsEmbedding).Select(module => module.Target.Module)];
        _withRows = [.. _replacements.Where(replacement => replacement.Rows is not null).Select(replacement => replacement.Target.Module)];
    }

    private enum Kind : byte
    {
        Rows,
        Bias,
        Embedding,
        Saved,
    }

    /// <summary>What PEFT has no place for.</summary>
    public IEnumerable<string> Limits()
    {
        foreach (Replacement replacement in _replacements)
        {
            string target = $"'{Printable.Text(replacement.Target.Path)}'";
            if (replacement.Target.Module.Path.Length == 0) yield return $"{target} is replaced, but belongs to no module";
            else if (replacement.Rows is not null && replacement.Target.Parameter != "weight") yield return $"rows of {target}, which is no weight, are replaced";
            else if (KindOf(replacement) == Kind.Saved && _updated.Contains(replacement.Target.Module)) yield return $"{target} is replaced in full and its module updated";
        }

        foreach (var several in _replacements.GroupBy(r => (r.Target, r.Rows is null)).Where(group => group.Count() > 1))
        {
            yield return $"'{Printable.Text(several.Key.Target.Path)}' is replaced {several.Count()} times";
        }
    }

    /// <summary>The tensors, by the names that PEFT gives them.</summary>
    /// <param name="prefix">What all names begin with.</param>
    /// <param name="isTokensOnly">Whether the adapter is one of <c>TRAINABLE_TOKENS</c>.</param>
    public IEnumerable<TensorToWrite> Tensors(string prefix, bool isTokensOnly) => _replacements.Select(replacement =>
    {
        (ModuleName module, string parameter) = (replacement.Target.Module, replacement.Target.Parameter);
        string name = KindOf(replacement) switch
        {
            Kind.Rows => isTokensOnly ? $"{module}.trainable_tokens_delta" : $"{module}.token_adapter.trainable_tokens_delta",
            Kind.Embedding when _withRows.Contains(module) && !isTokensOnly => $"{module}.token_adapter.base_layer.{parameter}",
            Kind.Embedding or Kind.Bias when _updated.Contains(module) || _withRows.Contains(module) => $"{module}.base_layer.{parameter}",
            _ => replacement.Target.Path,
        };
        return TensorToWrite.Of(replacement.Values, prefix + name);
    });

    /// <summary>Lets the configuration name all of them.</summary>
    /// <exception cref="UnsupportedException">Rows of two embeddings that PEFT cannot tell apart.</exception>
    public void Set(JsonObject config, bool isTokensOnly)
    {
        SetModulesToSave(config);
        SetBias(config);
        SetRows(config, isTokensOnly);
    }

    private Kind KindOf(Replacement replacement)
    {
        ParameterName target = replacement.Target;
        if (replacement.Rows is not null) return Kind.Rows;
        if (replacement.Reason == "modules_to_save" && !_updated.Contains(target.Module)) return Kind.Saved;
        if (SavedParameters.IsEmbedding(target, _embeddings.Contains(target.Module))) return Kind.Embedding;
        bool isBias = target.Path.Contains("bias", StringComparison.Ordinal) && (replacement.Reason == "bias" || _updated.Contains(target.Module));
        return isBias ? Kind.Bias : Kind.Saved;
    }

    private void SetModulesToSave(JsonObject config)
    {
        const string setting = "modules_to_save";
        IReadOnlyList<string> endings = Parsed(config).ModulesToSave;
        string[] missing =
        [
            .. _replacements.Where(replacement => KindOf(replacement) == Kind.Saved && !SavedParameters.IsSaved(replacement.Target, endings))
                .Select(replacement => replacement.Target.Module.Path).Distinct().Order(StringComparer.Ordinal),
        ];
        if (missing.Length == 0) return;
        if (config[setting] is not JsonArray entries) config[setting] = entries = [];
        foreach (string module in missing)
        {
            entries.Add((JsonNode)module);
        }
    }

    private void SetBias(JsonObject config)
    {
        ParameterName[] biases = [.. _replacements.Where(replacement => KindOf(replacement) == Kind.Bias).Select(replacement => replacement.Target)];
        TrainedBiases stated = Parsed(config).Biases;
        if (biases.Length == 0 || stated == TrainedBiases.All) return;
        bool areOfUpdated = biases.All(bias => bias.Parameter == "bias" && _updated.Contains(bias.Module));
        if (stated == TrainedBiases.None || !areOfUpdated) config["bias"] = areOfUpdated ? "lora_only" : "all";
    }

    private void SetRows(JsonObject config, bool isTokensOnly)
    {
        string setting = isTokensOnly ? "token_indices" : "trainable_token_indices";
        Replacement[] rows = [.. _replacements.Where(replacement => replacement.Rows is not null)];
        if (rows.Length == 0)
        {
            if (config[setting] is not null) config[setting] = null;
            return;
        }

        if (AreStated(config, setting, rows)) return;
        config[setting] = rows is [var only] && (isTokensOnly || config[setting] is JsonArray)
            ? Indices(only)
            : new JsonObject(rows.Select(row => KeyValuePair.Create(row.Target.Module.Path, (JsonNode?)Indices(row))));
        if (AreStated(config, setting, rows)) return;
        throw new UnsupportedException(
            $"the token rows of {string.Join(" and ", rows.Select(row => $"'{Printable.Text(row.Target.Path)}'"))} cannot be told apart in '{setting}': one path is the end of another");
    }

    private static bool AreStated(JsonObject config, string setting, Replacement[] rows)
    {
        if (config[setting] is null) return false;
        TokenRows stated = new(new JsonSettings(config, AdapterConfigFile.Name), setting);
        return rows.All(row => stated.Find(row.Target.Module) is { } indices && indices.SequenceEqual(row.Rows!));
    }

    private static JsonArray Indices(Replacement rows) => new([.. rows.Rows!.Select(row => (JsonNode)row)]);

    private static PeftConfig Parsed(JsonObject config) => new(new AdapterConfig(config), AdapterConfigFile.Name);
}

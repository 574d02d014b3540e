using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Which of the base's own parameters may lie in an adapter's file, and why. See spec/layouts/peft.md, "Replacements".</summary>
internal sealed class SavedParameters(PeftConfig config, IReadOnlyList<PeftFactors> modules, IEnumerable<ModuleName> otherModules)
{
    // The input and output embeddings of the model families; PEFT saves them whole when the vocabulary was resized or they are targets.
    private static readonly HashSet<string> Embeddings = new(StringComparer.Ordinal)
    {
        "embed_tokens", "lm_head", "wte", "word_embeddings", "shared", "embed_in", "embed_out",
    };

    private readonly HashSet<ModuleName> _others = [.. otherModules];
    private readonly Dictionary<ModuleName, PeftFactors> _updated = modules.DistinctBy(module => module.Module).ToDictionary(module => module.Module);

    /// <summary>Why a parameter replaces the base's: <c>modules_to_save</c>, <c>embedding</c>, <c>bias</c>; null where it must not be.</summary>
    public string? Reason(PeftKey key)
    {
        switch (key.Role)
        {
            case PeftRole.SavedModule: return "modules_to_save";
            case PeftRole.Parameter when IsSaved(new(key.Module, key.Parameter), config.ModulesToSave): return "modules_to_save";
            case PeftRole.Parameter or PeftRole.BaseLayer when IsEmbedding(new(key.Module, key.Parameter), _updated.GetValueOrDefault(key.Module)?[PeftRole.EmbeddingA] is not null): return "embedding";
            case PeftRole.Parameter or PeftRole.BaseLayer when IsTrainedBias(key): return "bias";
            default: return null;
        }
    }

    /// <summary>What would have to be so, for the message about a parameter without a place.</summary>
    public string WhyNot(PeftKey key) => key.Parameter switch
    {
        "bias" when config.Biases == TrainedBiases.None => "a bias, but 'bias' is \"none\" and its module is not in 'modules_to_save'",
        "bias" => "a bias of a module that is not updated, but 'bias' is \"lora_only\"",
        _ when key.Role == PeftRole.BaseLayer => "the base's own weight",
        _ => "its module is not in 'modules_to_save'",
    };

    /// <summary>PEFT takes every module whose name ends with an entry, with all that is below it.</summary>
    public static bool IsSaved(ParameterName target, IReadOnlyList<string> endings)
    {
        string path = target.Path;
        for (int dot = path.IndexOf('.'); dot >= 0; dot = path.IndexOf('.', dot + 1))
        {
            ReadOnlySpan<char> module = path.AsSpan(0, dot);
            foreach (string ending in endings)
            {
                if (ending.Length > 0 && module.EndsWith(ending, StringComparison.Ordinal)) return true;
            }
        }

        return false;
    }

    /// <summary>Whether PEFT saves a parameter whole without being told to: of an embedding by its name, or of one that has factors.</summary>
    public static bool IsEmbedding(ParameterName target, bool hasFactors) => target.Parameter switch
    {
        "weight" => hasFactors || Embeddings.Contains(target.Module.Leaf),
        "bias" => Embeddings.Contains(target.Module.Leaf),
        _ => false,
    };

    /// <summary>With <c>all</c>, PEFT trains and saves whatever has "bias" in its name (T5's relative_attention_bias too).</summary>
    private bool IsTrainedBias(PeftKey key) => config.Biases switch
    {
        TrainedBiases.All => key.Parameter.Contains("bias", StringComparison.Ordinal) || key.Module.Path.Contains("bias", StringComparison.Ordinal),
        TrainedBiases.LoraOnly => key.Parameter == "bias" && (_updated.ContainsKey(key.Module) || _others.Contains(key.Module)),
        _ => false,
    };
}

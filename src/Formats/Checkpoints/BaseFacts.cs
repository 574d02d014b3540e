using System.Text.Json.Nodes;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts.Gguf;

namespace LoraKit.Formats.Checkpoints;

/// <summary>
/// What is known of a base model without its weights, for layouts whose names and row orders depend on it. Null is what is not known.
/// </summary>
public sealed record BaseFacts
{
    private const string Config = "config.json";

    /// <summary>The architecture, as GGUF files call it: <c>llama</c> (also of Mistral and Mixtral), <c>qwen3moe</c>, <c>gpt-oss</c>.</summary>
    public string? Architecture { get; init; }

    /// <summary>How many heads the queries have.</summary>
    public long? Heads { get; init; }

    /// <summary>How many heads keys and values have.</summary>
    public long? KeyValueHeads { get; init; }

    /// <summary>How many experts a layer has.</summary>
    public long? Experts { get; init; }

    /// <summary>The width of what goes from layer to layer.</summary>
    public long? HiddenSize { get; init; }

    /// <summary>The width within an expert.</summary>
    public long? ExpertSize { get; init; }

    /// <summary>Whether output and input embeddings are one tensor.</summary>
    public bool? TiesWordEmbeddings { get; init; }

    /// <summary>What a config.json says of it, at the top or in <c>text_config</c>.</summary>
    public static BaseFacts Of(ModelConfig config)
    {
        JsonObject text = config.Json["text_config"] as JsonObject ?? config.Json;
        long? heads = Number(text, "num_attention_heads");
        return new()
        {
            Architecture = GgufArchitecture.OfModelType(config.ModelType ?? "") ?? GgufArchitecture.OfModelType(text["model_type"] is JsonValue v && v.TryGetValue(out string? t) ? t : ""),
            Heads = heads,
            KeyValueHeads = Number(text, "num_key_value_heads") ?? heads,
            Experts = Number(text, "num_local_experts") ?? Number(text, "num_experts"),
            HiddenSize = Number(text, "hidden_size"),
            ExpertSize = Number(text, "moe_intermediate_size") ?? Number(text, "intermediate_size"),
            TiesWordEmbeddings = config.TiesWordEmbeddings,
        };
    }

    /// <summary>What lies at a path says: a model's folder, a config.json, or a GGUF model. Null where a path has none of these.</summary>
    /// <exception cref="LoraKitException">The configuration or header is broken.</exception>
    public static BaseFacts? Find(string path) =>
        Directory.Exists(path) ? OfConfig(Path.Combine(path, Config))
        : Path.GetFileName(path) == Config ? OfConfig(path)
        : IsGguf(path) ? OfGguf(path)
        : null;

    /// <summary>Whether there are facts at a path, and no weights beside them that are read otherwise.</summary>
    internal static bool AreAll(string path) => Directory.Exists(path)
        ? File.Exists(Path.Combine(path, Config)) && !Directory.EnumerateFiles(path, "*.safetensors*").Any()
        : Path.GetFileName(path) == Config || IsGguf(path);

    /// <summary>This, and what it leaves open as another says.</summary>
    internal BaseFacts Or(BaseFacts other) => new()
    {
        Architecture = Architecture ?? other.Architecture,
        Heads = Heads ?? other.Heads,
        KeyValueHeads = KeyValueHeads ?? other.KeyValueHeads,
        Experts = Experts ?? other.Experts,
        HiddenSize = HiddenSize ?? other.HiddenSize,
        ExpertSize = ExpertSize ?? other.ExpertSize,
        TiesWordEmbeddings = TiesWordEmbeddings ?? other.TiesWordEmbeddings,
    };

    /// <summary>What a GGUF header says of it.</summary>
    internal static BaseFacts Of(IReadOnlyDictionary<string, GgufValue> keyValues)
    {
        string? architecture = keyValues.GetValueOrDefault(GgufKeys.Architecture)?.Text;
        return new()
        {
            Architecture = architecture,
            Heads = keyValues.GetValueOrDefault(GgufKeys.Heads(architecture))?.Integer,
            KeyValueHeads = keyValues.GetValueOrDefault(GgufKeys.KeyValueHeads(architecture))?.Integer,
        };
    }

    private static BaseFacts OfGguf(string path)
    {
        using OpenFile file = OpenFile.Open(path);
        return Of(GgufHeader.Read(file));
    }

    private static BaseFacts? OfConfig(string path) => FileNatures.Of(path) == FileNature.File ? Of(ModelConfig.Read(path)) : null;

    /// <summary>What a GGUF model's header says of it: names of tensors and all.</summary>
    internal static BaseFacts Of(GgufHeader header)
    {
        BaseFacts facts = Of(header.KeyValues);
        return facts with
        {
            KeyValueHeads = facts.KeyValueHeads ?? facts.Heads,
            Experts = header.KeyValues.GetValueOrDefault($"{facts.Architecture}.expert_count")?.Integer,
            HiddenSize = header.KeyValues.GetValueOrDefault($"{facts.Architecture}.embedding_length")?.Integer,
            ExpertSize = (header.KeyValues.GetValueOrDefault($"{facts.Architecture}.expert_feed_forward_length")
                ?? header.KeyValues.GetValueOrDefault($"{facts.Architecture}.feed_forward_length"))?.Integer,
            TiesWordEmbeddings = header.Tensors.All(tensor => tensor.Name != "output.weight"),
        };
    }

    /// <summary>Whether a path is a file that begins as GGUF does.</summary>
    internal static bool IsGguf(string path)
    {
        if (FileNatures.Of(path) != FileNature.File) return false;
        using OpenFile file = OpenFile.Open(path);
        Span<byte> start = stackalloc byte[4];
        if (file.Length < start.Length) return false;
        file.Read(0, start);
        return FileKinds.Detect(start) == FileKind.Gguf;
    }

    private static long? Number(JsonObject json, string key) => json[key] is JsonValue value && value.TryGetValue(out long number) && number > 0 ? number : null;
}

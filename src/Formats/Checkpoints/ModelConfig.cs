using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>A model's config.json.</summary>
/// <param name="Bytes">The file as it is.</param>
/// <param name="Json">The same, parsed.</param>
public sealed record ModelConfig(byte[] Bytes, JsonObject Json)
{
    private const int MaxBytes = 16 << 20;

    /// <summary>The <c>model_type</c>, where there is one.</summary>
    public string? ModelType => Json["model_type"] is JsonValue value && value.TryGetValue(out string? type) ? type : null;

    /// <summary>
    /// Whether output and input embeddings are one tensor: <c>tie_word_embeddings</c>, looked up at the top and in <c>text_config</c>;
    /// null where it is not said.
    /// </summary>
    public bool? TiesWordEmbeddings => Flag(Json, "tie_word_embeddings") ?? (Json["text_config"] is JsonObject text ? Flag(text, "tie_word_embeddings") : null);

    /// <summary>Reads a config.json. Python's <c>NaN</c> and <c>Infinity</c> and a byte order mark are let pass.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is too large, no JSON object, or names a setting twice.</exception>
    public static ModelConfig Read(string path) => Parse(BoundedFile.ReadAll(path, MaxBytes), path);

    /// <summary>Reads the bytes of a config.json, as <see cref="Read"/>.</summary>
    /// <exception cref="InvalidFileException">They are no JSON object, or name a setting twice.</exception>
    public static ModelConfig Parse(byte[] bytes, string path)
    {
        string shown = Printable.Text(path);
        try
        {
            return JsonNode.Parse(ConfigText.AsJson(bytes), documentOptions: ConfigText.Options) is JsonObject root
                ? new(bytes, root)
                : throw new InvalidFileException($"{shown}: no JSON object, as a configuration is", path);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // The latter: a name that is no valid text.
        {
            throw new InvalidFileException($"{shown}: {NotJson.Reason(bytes, e)}", path, cause: e);
        }
    }

    /// <summary>
    /// The file with one scalar setting changed and every other byte as it was: at the top, in <c>text_config</c> if that has it too,
    /// appended to the top object where neither has it.
    /// </summary>
    /// <param name="key">The setting: <c>vocab_size</c>.</param>
    /// <param name="value">The new value as JSON text: <c>32064</c>, <c>false</c>.</param>
    /// <exception cref="ArgumentException">The value is no JSON scalar.</exception>
    public ModelConfig With(string key, string value) => With(key, value, toEach: false);

    /// <summary>As <see cref="With(string, string)"/>, but where both objects are there each gets the setting: for one whose default is not the value.</summary>
    internal ModelConfig WithInEach(string key, string value) => With(key, value, toEach: true);

    /// <summary>As <see cref="With(string, string)"/> for a list.</summary>
    internal ModelConfig WithList(string key, JsonArray value) => Parse(ConfigText.Splice(Bytes, key, value.ToJsonString(), toEach: false), "config.json");

    /// <summary>Whether a setting is there, at the top or in <c>text_config</c>.</summary>
    internal bool Has(string key) => Json.ContainsKey(key) || (Json["text_config"] is JsonObject text && text.ContainsKey(key));

    private ModelConfig With(string key, string value, bool toEach)
    {
        using (JsonDocument scalar = ParseScalar(value))
        {
            if (scalar.RootElement.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
            {
                throw new ArgumentException($"{value} is no JSON scalar", nameof(value));
            }
        }

        return Parse(ConfigText.Splice(Bytes, key, value, toEach), "config.json");
    }

    private static JsonDocument ParseScalar(string value)
    {
        try
        {
            return JsonDocument.Parse(value);
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"{value} is no JSON scalar", nameof(value), e);
        }
    }

    private static bool? Flag(JsonObject settings, string key) => settings[key] is JsonValue value && value.TryGetValue(out bool flag) ? flag : null;
}

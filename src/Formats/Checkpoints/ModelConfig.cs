using System.Text.Json.Nodes;

namespace LoraKit.Formats.Checkpoints;

/// <summary>A model's config.json.</summary>
/// <param name="Bytes">The file as it is.</param>
/// <param name="Json">The same, parsed.</param>
public sealed record ModelConfig(byte[] Bytes, JsonObject Json)
{
    /// <summary>The <c>model_type</c>, where there is one.</summary>
    public string? ModelType => throw new NotImplementedException();

    /// <summary>
    /// Whether output and input embeddings are one tensor: <c>tie_word_embeddings</c>, looked up at the top and in <c>text_config</c>;
    /// null where it is not said.
    /// </summary>
    public bool? TiesWordEmbeddings => throw new NotImplementedException();

    /// <summary>
    /// The file with one scalar setting changed and every other byte as it was: at the top, in <c>text_config</c> if that has it too,
    /// appended to the top object where neither has it.
    /// </summary>
    /// <param name="key">The setting: <c>vocab_size</c>.</param>
    /// <param name="value">The new value as JSON text: <c>32064</c>, <c>false</c>.</param>
    public ModelConfig With(string key, string value) => throw new NotImplementedException();
}

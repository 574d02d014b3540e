using System.Text.Json.Nodes;

namespace LoraKit.Formats.Adapters;

/// <summary>What training said of an adapter, as JSON. Unknown settings survive; ops never read it.</summary>
/// <param name="Json">The document's root object.</param>
public sealed record AdapterConfig(JsonObject Json)
{
    /// <summary>The base model's name or path, where it is given: PEFT's setting, or mlx-lm's.</summary>
    public string? BaseModel => (Json["base_model_name_or_path"] ?? Json["model"]) is JsonValue value && value.TryGetValue(out string? name) ? name : null;

    /// <summary>The same where alpha is divided by the rank, and not by its root (PEFT's <c>use_rslora</c>): scales are then written so.</summary>
    public AdapterConfig WithPlainAlpha()
    {
        if (!Json.ContainsKey("use_rslora")) return this;
        JsonObject json = (JsonObject)Json.DeepClone();
        json["use_rslora"] = false;
        return new AdapterConfig(json);
    }
}

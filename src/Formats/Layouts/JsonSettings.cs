using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts;

/// <summary>
/// Settings of a configuration by name and type. A missing setting, and for optional ones also <c>null</c>, is its default; a value of
/// another type is an error that names file and setting.
/// </summary>
/// <param name="Json">The configuration.</param>
/// <param name="Path">Its file, for messages.</param>
internal sealed record JsonSettings(JsonObject Json, string Path)
{
    /// <summary>Whether the setting is there and says something: not null, false, or an empty string, list or object.</summary>
    public bool IsSet(string name) => Json[name] switch
    {
        null => false,
        JsonObject members => members.Count > 0,
        JsonArray items => items.Count > 0,
        JsonNode value => value.GetValueKind() switch
        {
            JsonValueKind.False => false,
            JsonValueKind.String => value.GetValue<string>().Length > 0,
            _ => true,
        },
    };

    public string? Text(string name) => Json[name] is { } value ? AsText(name, value) : null;

    public bool Flag(string name) => Json[name] is { } value && value.GetValueKind() switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, value, "true or false"),
    };

    public long WholeNumber(string name, long otherwise) =>
        Json.ContainsKey(name) ? AsWholeNumber(name, Json[name]) : otherwise;

    public double Number(string name, double otherwise) => Json.ContainsKey(name) ? AsNumber(name, Json[name]) : otherwise;

    public IReadOnlyList<string>? Texts(string name) => Json[name] switch
    {
        null => null,
        JsonArray items => [.. items.Select(item => AsText(name, item))],
        JsonNode value => throw Wrong(name, value, "a list of strings"),
    };

    public IReadOnlyList<bool>? Flags(string name) => Json[name] switch
    {
        null => null,
        JsonArray items when items.All(item => item?.GetValueKind() is JsonValueKind.True or JsonValueKind.False) => [.. items.Select(item => item!.GetValueKind() == JsonValueKind.True)],
        JsonNode value => throw Wrong(name, value, "a list of true and false"),
    };

    public IReadOnlyList<long> WholeNumbers(string name, JsonNode? value) => value is JsonArray items
        ? [.. items.Select(item => AsWholeNumber(name, item))]
        : throw Wrong(name, value, "a list of whole numbers");

    /// <summary>The members of an object, in file order.</summary>
    public IReadOnlyList<KeyValuePair<string, T>> Map<T>(string name, Func<string, JsonNode?, T> convert) => Json[name] switch
    {
        null => [],
        JsonObject members => [.. members.Select(m => KeyValuePair.Create(m.Key, convert($"{name}.{m.Key}", m.Value)))],
        JsonNode value => throw Wrong(name, value, "an object"),
    };

    public long AsWholeNumber(string name, JsonNode? value) =>
        IsNumber(value) && long.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)
            ? whole
            : throw Wrong(name, value, "a whole number");

    public double AsNumber(string name, JsonNode? value) =>
        IsNumber(value) && double.TryParse(value.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double real)
            && double.IsFinite(real)
            ? real
            : throw Wrong(name, value, "a finite number");

    public InvalidAdapterException Wrong(string name, JsonNode? value, string expected) => new(
        $"{Printable.Text(Path)}: '{Printable.Text(name)}' is {Printable.Text(value?.ToJsonString() ?? "null")}; expected "
        + $"{expected}", Path);

    private static bool IsNumber([NotNullWhen(true)] JsonNode? value) => value?.GetValueKind() == JsonValueKind.Number;

    private string AsText(string name, JsonNode? value) =>
        value is JsonValue text && text.GetValueKind() == JsonValueKind.String ? text.GetValue<string>() : throw Wrong(name, value, "a string");
}

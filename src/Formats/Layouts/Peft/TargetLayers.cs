using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// <c>layers_to_transform</c>, and <c>layers_pattern</c> for the name of the list the layers are in. A module's layer is its first number
/// behind that name, or behind any name but the first, with something after it.
/// </summary>
internal sealed class TargetLayers
{
    private readonly HashSet<long> _layers;
    private readonly IReadOnlyList<string> _lists;

    /// <exception cref="InvalidAdapterException">A setting has a value of the wrong type.</exception>
    public TargetLayers(JsonSettings settings)
    {
        _layers = settings.Json["layers_to_transform"] switch
        {
            null => [],
            JsonArray array => [.. settings.WholeNumbers("layers_to_transform", array)],
            JsonNode one => [settings.AsWholeNumber("layers_to_transform", one)],
        };
        _lists = settings.Json["layers_pattern"] is JsonValue value && value.GetValueKind() == JsonValueKind.String
            ? [settings.Text("layers_pattern")!]
            : settings.Texts("layers_pattern") ?? [];
    }

    /// <summary>Whether a module is in a chosen layer; always, where none are chosen or the lists are named by expressions.</summary>
    public bool Contains(string module)
    {
        IEnumerable<string> lists = _lists.Where(list => list.Length > 0);
        if (_layers.Count == 0 || lists.Any(list => list.Any(c => !char.IsAsciiLetterOrDigit(c) && c != '_'))) return true;
        string[] parts = module.Split('.');
        long? found = lists.Any()
            ? lists.Select(list => LayerOf(parts, list)).FirstOrDefault(layer => layer is not null)
            : LayerOf(parts, null);
        return found is { } layer && _layers.Contains(layer);
    }

    private static long? LayerOf(string[] parts, string? list)
    {
        for (int i = 2; i < parts.Length - 1; i++)
        {
            if ((list is null || parts[i - 1] == list)
                && long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out long layer))
            {
                return layer;
            }
        }

        return null;
    }
}

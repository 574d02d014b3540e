using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// The rows of single trained tokens: a list for whichever embedding the file holds, or one list per embedding, named by the end of its
/// path. The file of tensors has the values alone.
/// </summary>
internal sealed class TokenRows
{
    private readonly JsonSettings _settings;
    private readonly string _setting;
    private readonly IReadOnlyList<long>? _any;
    private readonly IReadOnlyList<KeyValuePair<string, IReadOnlyList<long>>> _byName = [];

    /// <exception cref="InvalidAdapterException">The setting is neither a list of whole numbers nor an object of such.</exception>
    public TokenRows(JsonSettings settings, string setting)
    {
        (_settings, _setting) = (settings, setting);
        JsonNode? value = settings.Json[setting];
        if (value is JsonObject) _byName = settings.Map(setting, settings.WholeNumbers);
        else if (value is not null) _any = settings.WholeNumbers(setting, value);
    }

    /// <summary>The setting's name, where it has any rows; else null.</summary>
    public string? Setting => _any is { Count: > 0 } || _byName.Count > 0 ? _setting : null;

    /// <summary>The rows of an embedding.</summary>
    /// <exception cref="InvalidAdapterException">The configuration names none, or two different lists.</exception>
    public IReadOnlyList<long> Of(ModuleName module) => Find(module) ?? throw new InvalidAdapterException(
        $"{Printable.Text(_settings.Path)}: the file has trained token rows of '{Printable.Text(module.Path)}', but '{_setting}' "
        + $"has {(Named(module).Count is var count && count == 0 ? "no indices" : $"{count} different lists of indices")} for it",
        _settings.Path, module.Path);

    /// <summary>The rows of an embedding; null where the configuration names none, or two different lists.</summary>
    public IReadOnlyList<long>? Find(ModuleName module)
    {
        if (_any is not null) return _any;
        IReadOnlyList<IReadOnlyList<long>> named = Named(module);
        return named.Count > 0 && named.All(indices => indices.SequenceEqual(named[0])) ? named[0] : null;
    }

    private List<IReadOnlyList<long>> Named(ModuleName module) =>
        [.. _byName.Where(entry => module.Path.EndsWith(entry.Key, StringComparison.Ordinal)).Select(entry => entry.Value)];
}

using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// Names of modules that the user changes, after all others: a JSON object of names and new names, in the layout's spelling. A <c>#</c> stands for any number, and each <c>#</c> of the new
/// name for the number of the same place.
/// </summary>
internal sealed class RenameMap
{
    private const char Number = '#';
    private readonly string _path;
    private readonly Dictionary<string, List<(string[] From, string[] To, string Name)>> _entries = new(StringComparer.Ordinal);

    /// <exception cref="InvalidFileException">It is no JSON object of texts, or the numbers of an entry do not agree.</exception>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    public RenameMap(string path)
    {
        _path = path;
        foreach ((string from, JsonNode? to) in Read(path))
        {
            string name = to is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : "";
            (string[] before, string[] after) = (Parts(from), Parts(name));
            if (from.Length == 0 || name.Length == 0) throw Broken($"'{Printable.Text(from)}' becomes {Printable.Text(to?.ToJsonString() ?? "null")}; expected the name of a module, and a new one");
            if (before.Count(IsAny) != after.Count(IsAny)) throw Broken($"'{Printable.Text(from)}' and '{Printable.Text(name)}' have different numbers of {Number}; expected one for one");
            if (!_entries.TryGetValue(Key(before), out var alike)) _entries.Add(Key(before), alike = []);
            alike.Add((before, after, from));
        }
    }

    /// <summary>New names for those that have one.</summary>
    /// <param name="modules">The result's names.</param>
    /// <exception cref="InvalidFileException">An entry is for no module, two are for the same, or two modules would have one name.</exception>
    public IReadOnlyDictionary<ModuleName, ModuleName> Of(IReadOnlyCollection<ModuleName> modules)
    {
        Dictionary<ModuleName, ModuleName> renamed = [];
        HashSet<string> used = new(StringComparer.Ordinal);
        foreach (ModuleName module in modules)
        {
            string[] parts = Parts(module.Path);
            var entries = _entries.GetValueOrDefault(Key(parts))?.Where(entry => Fits(entry.From, parts)).ToArray() ?? [];
            if (entries is [var one, var two, ..]) throw Broken($"'{Printable.Text(module.Path)}' is both '{Printable.Text(one.Name)}' and '{Printable.Text(two.Name)}'; expected one entry for a module");
            if (entries is not [var (from, to, name)]) continue;
            Queue<string> numbers = new(parts.Where((_, i) => IsAny(from[i])));
            renamed.Add(module, new(string.Concat(to.Select(part => IsAny(part) ? numbers.Dequeue() : part))));
            used.Add(name);
        }

        string[] left = [.. _entries.Values.SelectMany(alike => alike).Select(entry => entry.Name).Where(name => !used.Contains(name))];
        if (left.Length > 0) throw Broken($"{left.Length} of its names are no module of the result: {Regrouping.Regrouping.List(left)}; expected names such as '{Printable.Text(modules.FirstOrDefault().Path ?? "")}'");
        if (modules.GroupBy(module => renamed.GetValueOrDefault(module, module)).FirstOrDefault(same => same.Skip(1).Any()) is { } collision)
        {
            throw Broken($"{Regrouping.Regrouping.List([.. collision.Select(module => module.Path)])} would all be '{Printable.Text(collision.Key.Path)}'; expected different names");
        }

        return renamed;
    }

    private static JsonObject Read(string path)
    {
        if (!File.Exists(path)) throw new InputNotFoundException($"{Printable.Text(path)}: does not exist; expected a JSON file of names", path);
        try
        {
            return AdapterConfigFile.Read(path).Json;
        }
        catch (InvalidAdapterException broken)
        {
            throw new InvalidFileException(broken.Message, path, cause: broken);
        }
    }

    /// <summary>Texts, and numbers or <c>#</c>, in turn.</summary>
    private static string[] Parts(string name)
    {
        List<string> parts = [];
        for (int from = 0, to; from < name.Length; from = to)
        {
            to = from + 1;
            if (name[from] != Number)
            {
                while (to < name.Length && name[to] != Number && char.IsAsciiDigit(name[to]) == char.IsAsciiDigit(name[from])) to++;
            }

            parts.Add(name[from..to]);
        }

        return [.. parts];
    }

    private static bool IsAny(string part) => part is [Number];

    private static bool IsNumber(string part) => IsAny(part) || char.IsAsciiDigit(part[0]);

    /// <summary>What an entry and all modules that it could be for have in common.</summary>
    private static string Key(string[] parts) => string.Concat(parts.Select(part => IsNumber(part) ? "#" : part));

    private static bool Fits(string[] entry, string[] module) => !entry.Where((part, i) => part != module[i] && !(IsAny(part) && IsNumber(module[i]))).Any();

    private InvalidFileException Broken(string what) => new($"{Printable.Text(_path)}: {what}", _path);
}

using System.Text.Json.Nodes;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>A default and the entries of a pattern setting, from one value for each module.</summary>
internal static class ModulePatternPlan
{
    /// <param name="modules">The modules.</param>
    /// <param name="valueOf">A module's value.</param>
    /// <param name="patternOf">The pattern that decided for it so far; null where the default did.</param>
    /// <param name="stated">The default so far.</param>
    /// <param name="json">A value as it is written.</param>
    public static (T Default, JsonObject Entries) Of<T>(
        IReadOnlyList<RankedModule> modules, Func<RankedModule, T> valueOf, Func<RankedModule, string?> patternOf, T stated, Func<T, JsonNode> json)
        where T : IEquatable<T>
    {
        T common = MostCommon(modules.Select(valueOf));
        if (modules.All(module => valueOf(module).Equals(common))) return (common, []);

        // The patterns there are, if all that one decides for still agree; their order may matter, so it stays.
        ILookup<string, T> byPattern = modules.ToLookup(module => patternOf(module) ?? "", valueOf);
        if (byPattern.All(group => group.Distinct().Count() == 1) && modules.Any(module => patternOf(module) is not null))
        {
            T otherwise = byPattern[""].DefaultIfEmpty(stated).First();
            return (otherwise, new(byPattern.Where(group => group.Key.Length > 0).Select(group => KeyValuePair.Create(group.Key, (JsonNode?)json(group.First())))));
        }

        PlainKeys keys = new([.. modules.Select(module => module.Name.Path)]);
        return (common, new(modules.Where(module => !valueOf(module).Equals(common))
            .Select(module => (Key: keys.Of(module.Name.Path), Value: json(valueOf(module))))
            .OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value))));
    }

    private static T MostCommon<T>(IEnumerable<T> values) =>
        values.GroupBy(value => value).OrderByDescending(group => group.Count()).ThenBy(group => group.Key).First().Key;
}

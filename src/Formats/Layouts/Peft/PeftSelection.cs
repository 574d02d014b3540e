using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// target_modules and what narrows it: carried where it names the adapter's modules, else a list of them. PEFT leaves out factors of modules
/// that are no targets, without a word.
/// </summary>
internal static class PeftSelection
{
    private static readonly string[] Narrowing = ["exclude_modules", "layers_pattern", "layers_to_transform"];

    /// <param name="config">The configuration; changed.</param>
    /// <param name="modules">The modules with factors.</param>
    /// <param name="baseModules">All modules of the base, where they are known.</param>
    public static void Set(JsonObject config, IReadOnlyList<ModuleName> modules, IReadOnlyCollection<ModuleName>? baseModules)
    {
        string[] paths = [.. modules.Select(module => module.Path)];
        if (paths.Length == 0 || new PeftTargets(new JsonSettings(config, AdapterConfigFile.Name)).AreExactly(paths)) return;

        HashSet<ModuleName> updated = [.. modules];
        HashSet<string> leaves = [.. modules.Select(module => module.Leaf)];
        bool byLeaf = baseModules is not null && baseModules.All(module => !leaves.Contains(module.Leaf) || updated.Contains(module));
        config["target_modules"] = new JsonArray([.. (byLeaf ? leaves : [.. paths]).Order(StringComparer.Ordinal).Select(name => (JsonNode)name)]);
        foreach (string setting in Narrowing.Where(config.ContainsKey))
        {
            config[setting] = null;
        }
    }
}

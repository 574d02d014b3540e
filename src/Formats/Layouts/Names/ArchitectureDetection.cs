using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Names;

/// <summary>Which architecture's an adapter is, by its names; among several that have them all, by shapes and metadata.</summary>
/// <param name="Best">The likeliest; null where none has the names.</param>
/// <param name="Others">Others that nothing rules out.</param>
/// <param name="Leftover">Modules that <paramref name="Best"/> does not have; where it is not null and these are not empty, it is the nearest only.</param>
internal sealed record ArchitectureMatch(Architecture? Best, IReadOnlyList<Architecture> Others, IReadOnlyList<string> Leftover);

/// <summary>Finds <see cref="ArchitectureMatch"/>.</summary>
internal static class ArchitectureDetection
{
    private const string BaseModelVersion = "ss_base_model_version";
    private const string ModelSpec = "modelspec.architecture";
    private const int Stated = 1000;

    /// <summary>By everything that the adapter tells.</summary>
    /// <param name="adapter">Its names, shapes and metadata are looked at.</param>
    /// <param name="architectures">Those to choose from, the commoner before the rarer.</param>
    public static ArchitectureMatch Of(Adapter adapter, IReadOnlyList<Architecture> architectures) => Of([.. ModulesOf(adapter)], adapter.Metadata, architectures);

    /// <summary>By names and shapes.</summary>
    /// <param name="modules">Each module, and its weight's shape where that is known.</param>
    /// <param name="metadata">What the file states.</param>
    /// <param name="architectures">Those to choose from, the commoner before the rarer.</param>
    public static ArchitectureMatch Of(
        IReadOnlyList<(string Name, TensorShape? Shape)> modules, IReadOnlyDictionary<string, string> metadata, IReadOnlyList<Architecture> architectures)
    {
        List<(Architecture Architecture, int Evidence, string[] Leftover)> found = [];
        foreach (Architecture architecture in architectures)
        {
            List<FoundModule> present = [];
            List<string> leftover = [];
            foreach ((string name, TensorShape? shape) in modules)
            {
                if (architecture.Find(name) is not var (part, place)) leftover.Add(name);
                else present.Add(new(name, part, place, shape is { Rank: > 0 } s ? s[0] : null, shape is { Rank: > 1 } m ? m[1] : null, shape?.Rank));
            }

            // Names of ComfyUI's own are the rarer in files.
            int names = present.Any(module => module.Place.Naming == Naming.Comfy) ? -1 : 0;
            if (present.Count > 0) found.Add((architecture, architecture.Evidence(present) + names + (IsStated(architecture, metadata) ? Stated : 0), [.. leftover]));
        }

        if (found.Count == 0) return new(null, [], []);
        (Architecture Architecture, int Evidence, string[] Leftover)[] ranked = [.. found.OrderBy(f => f.Leftover.Length).ThenByDescending(f => f.Evidence)];
        (Architecture best, int evidence, string[] rest) = ranked[0];
        return new(best, [.. ranked.Skip(1).Where(f => f.Leftover.Length == rest.Length && f.Evidence == evidence).Select(f => f.Architecture)], rest);
    }

    /// <summary>The architecture of a name.</summary>
    /// <exception cref="InvalidOptionException">There is none; the message lists those that are.</exception>
    public static Architecture Named(string name, IReadOnlyList<Architecture> architectures) => architectures.FirstOrDefault(architecture => architecture.Name == name)
        ?? throw new InvalidOptionException(
            $"'{Printable.Text(name)}' is no architecture; expected one of {string.Join(", ", architectures.Select(architecture => architecture.Name).Order(StringComparer.Ordinal))}");

    private static IEnumerable<(string Name, TensorShape? Shape)> ModulesOf(Adapter adapter) =>
        adapter.Deltas.Select(delta => (delta.Target.Module.Path, Shape: delta.Target.Parameter == "weight" ? delta.Shape : null))
            .Concat(adapter.Replacements.Select(replacement => (replacement.Target.Module.Path, (TensorShape?)replacement.Values.Shape)))
            .DistinctBy(module => (module.Path, module.Item2 is null)).GroupBy(module => module.Path).Select(group => (group.Key, group.Select(module => module.Item2).FirstOrDefault(shape => shape is not null)));

    private static bool IsStated(Architecture architecture, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.TryGetValue(ModelSpec, out string? spec) && architecture.ModelSpecs.Contains(spec.Split('/')[0], StringComparer.OrdinalIgnoreCase)) return true;
        return metadata.TryGetValue(BaseModelVersion, out string? version) && architecture.BaseModelVersions.Contains(version, StringComparer.OrdinalIgnoreCase);
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;

namespace LoraKit.Ops.Inspect;

/// <summary>The architecture that an adapter's modules are of, by their names and shapes, and what is not certain about it.</summary>
internal static class InspectedArchitecture
{
    private const int MostListed = 5;

    /// <summary>Its name, null where most modules are of none; and what the user should know.</summary>
    /// <param name="adapter">Names, shapes and metadata are looked at.</param>
    public static (string? Name, IReadOnlyList<AdapterIssue> Issues) Of(Adapter adapter)
    {
        ArchitectureMatch match = ArchitectureDetection.Of(adapter, ArchitectureList.All);
        string[] modules = [.. adapter.Deltas.Select(delta => delta.Target.Module.Path).Concat(adapter.Replacements.Select(r => r.Target.Module.Path)).Distinct()];
        if (match.Best is not { } best || 2 * match.Leftover.Count >= modules.Length || !modules.Any(module => IsItsOwn(best, module))) return (null, []);
        List<AdapterIssue> issues = [];
        if (match.Others.Count > 0)
        {
            issues.Add(new AdapterIssue("ambiguous_architecture", IssueSeverity.Info,
                $"its modules are those of {best.Name}, and of {string.Join(" and ", match.Others.Select(other => other.Name))} as well; nothing in it tells which (convert takes --arch)"));
        }

        if (match.Leftover.Count > 0)
        {
            issues.Add(new AdapterIssue("unknown_modules", IssueSeverity.Warning,
                $"{match.Leftover.Count} of its {modules.Length} modules are nothing of {best.Name}: {string.Join(", ", match.Leftover.Take(MostListed).Select(name => $"'{Printable.Text(name)}'"))}"
                + (match.Leftover.Count > MostListed ? ", …" : ""), match.Leftover[0]));
        }

        return (best.Name, issues);
    }

    /// <summary>Whether a module's name is the denoiser's, or a text encoder's with its prefix: without it, it is a language model's as well.</summary>
    private static bool IsItsOwn(Architecture architecture, string module) =>
        architecture.Find(module) is var (part, place) && (part.IsDenoiser || module != place.Rule.Name(place.Naming, place.Module, place.Numbers));
}

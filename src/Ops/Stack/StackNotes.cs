using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Stack;

/// <summary>What is odd about a choice of adapters.</summary>
internal static class StackNotes
{
    /// <summary>Warnings, one line each.</summary>
    /// <exception cref="InvalidAdapterException">Adapters that have nothing in common only because one's names have a prefix more.</exception>
    /// <exception cref="TargetMismatchException">Adapters whose modules lie in different parts of a model, where that is not allowed.</exception>
    public static IReadOnlyList<string> Of(IReadOnlyList<Adapter> adapters, bool allowUnmatched)
    {
        List<string> warnings = [];
        HashSet<string>[] names = [.. adapters.Select(a => a.Deltas.Select(d => d.Target.Path).ToHashSet(StringComparer.Ordinal))];
        for (int i = 1; i < adapters.Count; i++)
        {
            HashSet<string> others = [.. names.Where((_, j) => j != i).SelectMany(n => n)];
            if (names[i].Count == 0 || others.Count == 0 || names[i].Overlaps(others)) continue;
            if (Prefixed(names[i], others) is { } pair)
            {
                throw new InvalidAdapterException(
                    $"{Printable.Text(adapters[i].Path)}: has no module in common with the other adapters, but '{Printable.Text(pair.Longer)}' and "
                    + $"'{Printable.Text(pair.Shorter)}' look like the same one under another prefix; give all adapters the same names first",
                    adapters[i].Path);
            }

            if (!allowUnmatched && !Parts(names[i]).Overlaps(Parts(others)))
            {
                string first = names[i].Order(StringComparer.Ordinal).First();
                throw new TargetMismatchException(
                    $"{Printable.Text(adapters[i].Path)}: has no module in common with the other adapters, and none beside theirs: '{Printable.Text(first)}' "
                    + $"against '{Printable.Text(others.Order(StringComparer.Ordinal).First())}'; name adapters of one model, or allow unmatched modules",
                    [.. names[i].Order(StringComparer.Ordinal)], adapters[i].Path, first);
            }

            warnings.Add($"'{adapters[i].Path}' has no module in common with the other adapters; every module comes from one of them alone");
        }

        string?[] bases = [.. adapters.Select(a => a.Config?.BaseModel).Where(b => !string.IsNullOrEmpty(b)).Distinct()];
        if (bases.Length > 1) warnings.Add($"the adapters name different base models: {string.Join(", ", bases.Select(b => $"'{b}'"))}");
        return warnings;
    }

    // The parts of a model that parameters lie in: the first components of their modules' parents, which names without dots have none of.
    private static HashSet<string> Parts(IEnumerable<string> parameters) => parameters
        .Select(p => p.Split('.'))
        .Select(c => c.Length > 2 ? c[0] : "")
        .ToHashSet(StringComparer.Ordinal);

    private static (string Longer, string Shorter)? Prefixed(HashSet<string> one, HashSet<string> two) => LongerIn(one, two) ?? LongerIn(two, one);

    private static (string Longer, string Shorter)? LongerIn(HashSet<string> longer, HashSet<string> shorter)
    {
        foreach (string name in longer)
        {
            int at = -1;
            for (int components = 0; components < 2 && (at = name.IndexOf('.', at + 1)) >= 0; components++)
            {
                // What is left must be more than one parameter's own name: a whole path, not `weight`.
                string rest = name[(at + 1)..];
                if (rest.AsSpan().Count('.') > 1 && shorter.Contains(rest)) return (name, rest);
            }
        }

        return null;
    }
}

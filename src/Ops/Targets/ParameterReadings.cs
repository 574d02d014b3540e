using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Which parameters factors belong to where the file leaves it open: several of one module, named by their order alone, or a matrix and a stack of one. The shapes decide; where they
/// do not, transformers registers <c>gate_up_proj</c> before <c>down_proj</c>, and all else is ambiguous.
/// </summary>
internal static class ParameterReadings
{
    // More than any module has; every order of them is tried.
    private const int MostParameters = 6;

    /// <param name="deltas">The adapter's updates.</param>
    /// <param name="fits">Whether the base has a reading's parameter, in a shape that it fits.</param>
    /// <param name="ambiguous">Told of a module whose parameters could be either way round.</param>
    /// <returns>The updates in the same order, each as what it means.</returns>
    public static IReadOnlyList<AdapterDelta> Choose(IReadOnlyList<AdapterDelta> deltas, Func<AdapterDelta, bool> fits, Action<IReadOnlyList<AdapterDelta>> ambiguous)
    {
        Dictionary<AdapterDelta, AdapterDelta> chosen = new(ReferenceEqualityComparer.Instance);
        foreach (var module in deltas.Where(d => d.Readings.Count > 1).GroupBy(d => d.Target.Module))
        {
            AdapterDelta[] open = [.. module];
            if (open.Length > MostParameters || open.Max(d => d.Readings.Count) > MostParameters) continue;
            Dictionary<AdapterDelta, bool> fit = new(ReferenceEqualityComparer.Instance);
            foreach (AdapterDelta reading in open.SelectMany(d => d.Readings))
            {
                fit[reading] = fits(reading);
            }

            List<AdapterDelta[]> ways = Ways(open, 0, new AdapterDelta[open.Length], fit);
            if (ways.Count == 0) continue;
            if (ways.Count > 1 && !(IsRegistered(open) && ways[0].Zip(open).All(pair => pair.First.Target == pair.Second.Target)))
            {
                ambiguous(open);
                continue;
            }

            for (int i = 0; i < open.Length; i++)
            {
                chosen[open[i]] = ways[0][i];
            }
        }

        return chosen.Count == 0 ? deltas : [.. deltas.Select(d => chosen.GetValueOrDefault(d, d))];
    }

    /// <summary>Every way to give each update a parameter of its own; the file's own order first.</summary>
    private static List<AdapterDelta[]> Ways(AdapterDelta[] open, int at, AdapterDelta[] taken, Dictionary<AdapterDelta, bool> fit)
    {
        if (at == open.Length) return [[.. taken]];
        List<AdapterDelta[]> ways = [];
        foreach (AdapterDelta reading in open[at].Readings.Where(r => fit[r]))
        {
            if (taken.AsSpan(0, at).ToArray().Any(t => t.Target == reading.Target)) continue;
            taken[at] = reading;
            ways.AddRange(Ways(open, at + 1, taken, fit));
        }

        return ways;
    }

    /// <summary>Whether these are all parameters of a module whose order is known.</summary>
    private static bool IsRegistered(AdapterDelta[] open) =>
        open.Length == 2 && open.Select(d => d.Target.Parameter).Order(StringComparer.Ordinal).SequenceEqual(["down_proj", "gate_up_proj"]);
}

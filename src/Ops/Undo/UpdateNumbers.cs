using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Undo;

/// <summary>How an update is found again in its adapter: by its target, and its turn among those of one target.</summary>
internal static class UpdateNumbers
{
    /// <summary>Every update with its number, and everything else that its factors may mean.</summary>
    public static IEnumerable<(AdapterDelta Delta, string Target, int Occurrence)> Of(Adapter adapter) =>
        from ofTarget in adapter.Deltas.SelectMany(d => d.Readings).GroupBy(d => d.Target.Path, StringComparer.Ordinal)
        from numbered in ofTarget.Select((delta, occurrence) => (delta, ofTarget.Key, occurrence))
        select numbered;
}

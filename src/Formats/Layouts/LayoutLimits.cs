using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts;

/// <summary>What every layout says of an adapter that it cannot hold.</summary>
internal static class LayoutLimits
{
    private const int MostListed = 20;

    /// <summary>Parameters that several updates claim, in one adapter.</summary>
    public static IEnumerable<string> SeveralUpdates(Adapter adapter) => SeveralUpdates(adapter.Deltas);

    /// <summary>The same among some of the updates.</summary>
    public static IEnumerable<string> SeveralUpdates(IEnumerable<AdapterDelta> deltas) => deltas.GroupBy(delta => delta.Target)
        .Where(updates => updates.Count() > 1)
        .Select(updates => $"'{Printable.Text(updates.Key.Path)}' has {updates.Count()} updates; expected one (stack them first)");

    /// <exception cref="UnsupportedException">There are reasons.</exception>
    public static void Refuse(Adapter adapter, IReadOnlyList<string> reasons)
    {
        if (reasons.Count == 0) return;
        string more = reasons.Count > MostListed ? $"; and {reasons.Count - MostListed} more" : "";
        throw new UnsupportedException(
            $"{Printable.Text(adapter.Path)}: cannot be written in the layout {adapter.Layout}: {string.Join("; ", reasons.Take(MostListed))}{more}", adapter.Path);
    }
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Kohya.Families;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>What sd-scripts' and LyCORIS' files cannot say of an adapter.</summary>
internal static class KohyaLimits
{
    public static IReadOnlyList<string> Of(Adapter adapter, string layout)
    {
        (AdapterDelta Update, IKohyaFamily? Family)[] updates = [.. KohyaFamilyList.Of(adapter.Deltas)];
        // One residual of each kind beside the factors of its weight is part of the same update.
        HashSet<AdapterDelta> residuals = [.. updates.Where(u => u is { Family: Locon, Update: not (LowRankDelta or MagnitudeDelta) }).Select(u => u.Update).DistinctBy(u => (u.Target, u.GetType()))];
        HashSet<ModuleName> replaced = [.. adapter.Replacements.Select(replacement => replacement.Target.Module)];
        return
        [
            .. updates.Select(u => Limit(u.Update, u.Family, layout == KohyaLayout.LycorisName) is { } limit ? $"'{Printable.Text(u.Update.Target.Path)}' {limit}" : null).OfType<string>(),
            .. adapter.Replacements.Select(r => SetWeight.Limit(r) is { } limit ? $"'{Printable.Text(r.Target.Path)}' {limit}" : null).OfType<string>(),
            .. adapter.Deltas.Where(update => update.Target.Parameter == "weight" && replaced.Contains(update.Target.Module)).Select(update => $"'{Printable.Text(update.Target.Path)}' is replaced in full and updated"),
            .. LayoutLimits.SeveralUpdates(adapter.Deltas.Where(update => !residuals.Contains(update))),
            .. adapter.LayerReplication.Count > 0 ? ["the layers of its base are replicated, and the names count the new ones"] : (string[])[],
        ];
    }

    private static string? Limit(AdapterDelta update, IKohyaFamily? family, bool scalesTwice)
    {
        if (update.Target.Module.Path.Length == 0 || update.Target.Parameter is not ("weight" or "bias")) return "is no module's weight";
        if (family is null) return $"has an update of kind {(update.Facts.Dora ? "DoRA over " : "")}{update.Kind}";
        if (update.IsEmbedding) return "is an embedding";
        if (update.Orientation == WeightOrientation.InOut) return "is stored transposed in the base";
        if (update is MagnitudeDelta { Magnitude: null }) return "has DoRA without magnitudes";
        return family.Limit(update is MagnitudeDelta dora ? dora.Inner : update, scalesTwice);
    }
}

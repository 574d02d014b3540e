using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft;

namespace LoraKit.Formats.Layouts.Factors;

/// <summary>What a layout of one pair of factors for each weight cannot say.</summary>
internal static class FactorLimits
{
    /// <summary>Updates that are no pair of factors of a weight stored [out, in], replacements, and several updates of one weight.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="takesEmbeddings">Whether the layout has embeddings.</param>
    /// <param name="takesMagnitudes">Whether the layout has DoRA, as PEFT has it.</param>
    public static IEnumerable<string> Of(Adapter adapter, bool takesEmbeddings = false, bool takesMagnitudes = false) =>
    [
        .. adapter.Deltas.Select(delta => Of(delta, takesEmbeddings, takesMagnitudes)).OfType<string>(),
        .. LayoutLimits.SeveralUpdates(adapter),
    ];

    /// <summary>Replacements, in a layout that has none.</summary>
    public static IEnumerable<string> Replacements(Adapter adapter) =>
        adapter.Replacements.Select(replacement => $"'{Printable.Text(replacement.Target.Path)}' is replaced in full ({replacement.Reason})");

    /// <summary>Scales other than 1, in a layout that has no alpha.</summary>
    public static IEnumerable<string> Scales(Adapter adapter) => adapter.Deltas.OfType<LowRankDelta>().Where(update => update.Scale != 1)
        .Select(update => $"'{Printable.Text(update.Target.Path)}' has scale {update.Scale}, and the layout has no alpha");

    /// <summary>What such a layout cannot say of one update; null where it can.</summary>
    public static string? Of(AdapterDelta delta, bool takesEmbeddings, bool takesMagnitudes = false)
    {
        string target = $"'{Printable.Text(delta.Target.Path)}'";
        return delta switch
        {
            MagnitudeDelta { Inner: LowRankDelta } dora when takesMagnitudes =>
                PeftMagnitudes.Limit(dora) is { } limit ? $"{target} {limit}" : Of(dora.Inner, takesEmbeddings, takesMagnitudes),
            MagnitudeDelta => $"{target} has the magnitudes of DoRA, which are not written in this layout",
            not LowRankDelta => $"{target} has an update of kind {delta.Kind}",
            _ when delta.Target.Module.Path.Length == 0 || delta.Target.Parameter != "weight" => $"{target} is no module's weight",
            LowRankDelta { IsEmbedding: true } when !takesEmbeddings => $"{target} is an embedding",
            LowRankDelta { Orientation: WeightOrientation.InOut } => $"{target} is stored transposed in the base",
            _ => null,
        };
    }
}

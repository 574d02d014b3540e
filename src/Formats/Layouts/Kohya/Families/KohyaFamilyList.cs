using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>The one list of families, and which of them says an update.</summary>
internal static class KohyaFamilyList
{
    public static IReadOnlyList<IKohyaFamily> All { get; } =
        [new BiasDifference(), new Boft(), new DiagOft(), new Full(), new Glora(), new Ia3(), new Locon(), new Loha(), new Lokr(), new Norm(), new SetWeight()];

    private static readonly Locon Locon = All.OfType<Locon>().Single();

    /// <summary>By its kind alone, the family that says an update, or what is within its magnitudes; null where none does.</summary>
    public static IKohyaFamily? Of(AdapterDelta update) => update is MagnitudeDelta dora
        ? All.FirstOrDefault(family => family.CanBeDecomposed && family.Holds(dora.Inner))
        : All.FirstOrDefault(family => family.Holds(update));

    /// <summary>The updates of an adapter, each with its family: beside factors, what is left of the weight is theirs.</summary>
    public static IEnumerable<(AdapterDelta Update, IKohyaFamily? Family)> Of(IReadOnlyList<AdapterDelta> updates)
    {
        ILookup<ParameterName, LowRankDelta> factors = updates.OfType<LowRankDelta>().ToLookup(lora => lora.Target);
        return updates.Select(update => (update, factors[update.Target].Any(lora => Locon.IsResidual(update, lora)) ? Locon : Of(update)));
    }
}

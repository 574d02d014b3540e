namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>The one list of families.</summary>
internal static class KohyaFamilyList
{
    public static IReadOnlyList<IKohyaFamily> All { get; } =
        [new BiasDifference(), new Boft(), new DiagOft(), new Full(), new Glora(), new Ia3(), new Locon(), new Loha(), new Lokr(), new Norm(), new SetWeight()];
}

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>What speaks for and against an architecture that has all of an adapter's names.</summary>
internal static class Evidence
{
    /// <summary>What no file of the architecture can have.</summary>
    public const int Contradiction = -500;

    /// <summary>1 where some module has one of these widths, −1 where modules have others, 0 where there is none.</summary>
    /// <param name="modules">The modules that were found.</param>
    /// <param name="is">Whose inputs are looked at.</param>
    /// <param name="widths">What they are in models of the architecture.</param>
    public static int Inputs(IReadOnlyList<FoundModule> modules, Func<FoundModule, bool> @is, params long[] widths)
    {
        long[] given = [.. modules.Where(@is).Select(module => module.Inputs).OfType<long>().Distinct()];
        return given.Length == 0 ? 0 : given.Any(widths.Contains) ? 1 : -1;
    }

    /// <summary>A penalty where nothing is of a kind that files of the architecture mostly have.</summary>
    public static int Without(IReadOnlyList<FoundModule> modules, string part) =>
        modules.Any(module => module.Place.Rule.Original.Contains(part, StringComparison.Ordinal)) ? 0 : -1;

    /// <summary>Against all, where a module's number is beyond what the architecture has.</summary>
    /// <param name="modules">The modules that were found.</param>
    /// <param name="is">Whose first number is looked at.</param>
    /// <param name="count">How many there are.</param>
    public static int Within(IReadOnlyList<FoundModule> modules, Func<FoundModule, bool> @is, int count) =>
        modules.Where(@is).All(module => module.Place.Numbers.Count == 0 || int.Parse(module.Place.Numbers[0], System.Globalization.CultureInfo.InvariantCulture) < count) ? 0 : Contradiction;
}

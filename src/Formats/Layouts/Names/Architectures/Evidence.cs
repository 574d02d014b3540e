using System.Globalization;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>What speaks for and against an architecture that has all of an adapter's names. Shapes that are of no known model (those of tests) speak against all alike.</summary>
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

    /// <summary>1 where some module has so many outputs to each input, −1 where modules have others, 0 where there is none.</summary>
    /// <param name="modules">The modules that were found.</param>
    /// <param name="is">Whose shapes are looked at.</param>
    /// <param name="ratio">What it is in models of the architecture.</param>
    public static int Ratio(IReadOnlyList<FoundModule> modules, Func<FoundModule, bool> @is, long ratio)
    {
        FoundModule[] given = [.. modules.Where(module => @is(module) && module is { Outputs: not null, Inputs: not null })];
        return given.Length == 0 ? 0 : given.Any(module => module.Outputs == ratio * module.Inputs) ? 1 : -1;
    }

    /// <summary>A penalty where nothing is of a kind that files of the architecture mostly have.</summary>
    public static int Without(IReadOnlyList<FoundModule> modules, string part) => modules.Any(module => Has(module, part)) ? 0 : -1;

    /// <summary>Against all, where a module's number is beyond what the architecture has.</summary>
    /// <param name="modules">The modules that were found.</param>
    /// <param name="is">Whose first number is looked at.</param>
    /// <param name="count">How many there are.</param>
    public static int Within(IReadOnlyList<FoundModule> modules, Func<FoundModule, bool> @is, int count) => Last(modules, @is) < count ? 0 : Contradiction;

    /// <summary>1 where the last block of a kind is the last that a model of the architecture has, against all where it is beyond all of them, else 0: adapters of some blocks are common.</summary>
    /// <param name="modules">The modules that were found.</param>
    /// <param name="part">What the original's names begin with: <c>double_blocks.</c>.</param>
    /// <param name="counts">How many blocks models of the architecture have.</param>
    public static int Blocks(IReadOnlyList<FoundModule> modules, string part, params int[] counts)
    {
        int last = Last(modules, module => module.Part.IsDenoiser && module.Place.Rule.Original.StartsWith(part, StringComparison.Ordinal));
        return last >= counts.Max() ? Contradiction : counts.Contains(last + 1) ? 1 : 0;
    }

    /// <summary>Whether the original's name of a module has this in it.</summary>
    public static bool Has(FoundModule module, string part) => module.Place.Rule.Original.Contains(part, StringComparison.Ordinal);

    /// <summary>Whether the original's name of one of the denoiser's modules ends so.</summary>
    public static bool Ends(FoundModule module, string end) => module.Part.IsDenoiser && module.Place.Rule.Original.EndsWith(end, StringComparison.Ordinal);

    private static int Last(IReadOnlyList<FoundModule> modules, Func<FoundModule, bool> @is) =>
        modules.Where(@is).Select(module => module.Place.Numbers.Count == 0 ? -1 : int.Parse(module.Place.Numbers[0], CultureInfo.InvariantCulture)).DefaultIfEmpty(-1).Max();
}

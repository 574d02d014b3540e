using System.Globalization;
using LoraKit.Ops.Inspect;

namespace LoraKit.Tool.Render;

/// <summary>Spectra for people: a row for each module, the largest update first; of a long list the first rows.</summary>
internal static class SpectrumText
{
    private const int MostShown = 20;
    private const int MostValues = 4;

    /// <summary>The parts of the energy whose ranks are shown.</summary>
    public static IReadOnlyList<double> Parts { get; } = [0.9, 0.95, 0.99];

    public static void Write(TextWriter output, AdapterInspection inspection, bool everything)
    {
        List<InspectedModule> modules = [.. inspection.Modules.Where(m => m.Spectrum is not null).OrderByDescending(m => m.Spectrum!.Norm)];
        if (modules.Count == 0) return;
        int left = everything ? 0 : Math.Max(0, modules.Count - MostShown);
        TextTable table = new("module", ">rank", ">norm", ">90 %", ">95 %", ">99 %", ">stable rank", "singular values");
        foreach (InspectedModule module in modules.Take(modules.Count - left))
        {
            ModuleSpectrum spectrum = module.Spectrum!;
            IEnumerable<string> values = spectrum.SingularValues.Take(everything ? int.MaxValue : MostValues).Select(Number);
            string more = !everything && spectrum.SingularValues.Count > MostValues ? " …" : "";
            table.Add(
                module.Name, module.Rank?.ToString(CultureInfo.InvariantCulture) ?? "–", Number(spectrum.Norm),
                Rank(spectrum, 0), Rank(spectrum, 1), Rank(spectrum, 2), Number(spectrum.StableRank), string.Join(" ", values) + more);
        }

        output.WriteLine();
        table.Write(output);
        if (left > 0) output.WriteLine(Words.More(left));
    }

    private static string Rank(ModuleSpectrum spectrum, int part) => spectrum.EnergyRank(Parts[part]).ToString(CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}

using LoraKit.Formats.Files;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion;

/// <summary>What came out otherwise than was asked, or than might be thought.</summary>
internal static class ConvertWarnings
{
    public static IEnumerable<string> Of(ConvertOptions options, IReadOnlyList<PlannedUpdate> updates, IReadOnlyList<ConvertedUpdate> converted, RoundingLosses losses)
    {
        double bound = options.Energy is { } energy ? Math.Sqrt(1 - energy) : options.MaxError ?? double.PositiveInfinity;
        // What F64 itself rounds is not worth a word.
        ConvertedModule[] beyond = [.. converted.Select(c => c.Report).Where(m => m.RelativeError > bound + 1e-12)];
        if (beyond.Length > 0)
        {
            ConvertedModule worst = beyond.MaxBy(m => m.RelativeError)!;
            yield return FormattableString.Invariant(
                $"the element type of the factors rounds {beyond.Length} modules beyond the bound {bound:G4}, worst {Printable.Text(worst.Name)} ({worst.RelativeError:G4}); take --dtype f32, or a wider bound");
        }

        if (losses.Warning is { } lost) yield return lost;
        int full = updates.Where((u, i) => u.FullRank > 1 && converted[i].Report.Rank >= u.FullRank && options.Rank is null).Count();
        if (full > 0) yield return $"{full} modules are of full rank, and take more space than their weights do; a --rank, an --energy or a --max-error makes them smaller";
    }
}

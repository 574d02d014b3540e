using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>fan_in_fan_out: it tells [in, out] from [out, in] only where a weight is square, and there is one flag for all.</summary>
internal static class PeftOrientation
{
    /// <summary>What the flag has to be for the square weights; null where there are none, or where they differ.</summary>
    public static bool? OfSquares(IEnumerable<LowRankDelta> modules) => Distinct(modules) is [var only] ? only : null;

    /// <summary>Whether no flag is right for all square weights.</summary>
    public static bool Differ(IEnumerable<LowRankDelta> modules) => Distinct(modules).Length > 1;

    private static bool[] Distinct(IEnumerable<LowRankDelta> modules) =>
    [
        .. modules.Where(module => !module.IsEmbedding && module.Down.Shape.Rank == 2 && module.InFeatures == module.OutFeatures)
            .Select(module => module.Orientation == WeightOrientation.InOut || (module.Orientation == WeightOrientation.FromShape && module.SquareIsInOut)).Distinct(),
    ];
}

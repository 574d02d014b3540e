using System.Globalization;
using LoraKit.Formats;

namespace LoraKit.Ops.Resize;

/// <summary>What a policy makes of one spectrum: sd-scripts v0.11's counts, and those of their kind.</summary>
internal static class RankCriterion
{
    // sd-scripts' MIN_SV: below it a module counts as zero, whatever its scale.
    private const double Negligible = 1e-6;

    /// <summary>The criterion's own rank, at least 1, at most as many as there are singular values (a fixed rank is what it is).</summary>
    public static int Rank(RankPolicy policy, Spectrum spectrum)
    {
        bool negligible = spectrum.Largest <= Negligible;
        return policy switch
        {
            RankPolicy.Fixed p => p.Rank,
            RankPolicy.SvRatio p => negligible ? 1 : AtLeastOne(Above(spectrum, 1 / p.Ratio)),
            RankPolicy.SvFro p => negligible ? 1 : Reaching(spectrum, p.Share * p.Share, v => v * v),
            RankPolicy.SvCumulative p => negligible ? 1 : Reaching(spectrum, p.Share, v => v),
            RankPolicy.Energy p => Reaching(spectrum, p.Share, v => v * v),
            RankPolicy.MaxError p => WithinError(spectrum, p.Relative),
            _ => throw new ArgumentException($"{policy} is no criterion of one module", nameof(policy)),
        };
    }

    /// <exception cref="InvalidOptionException">The policy's number makes no sense.</exception>
    public static void Check(RankPolicy policy)
    {
        switch (policy)
        {
            case RankPolicy.Fixed p: Require(p.Rank >= 1, "rank", p.Rank, "a whole number of at least 1"); break;
            case RankPolicy.Energy p: RequireShare("energy", p.Share); break;
            case RankPolicy.SvRatio p: Require(p.Ratio >= 1 && double.IsFinite(p.Ratio), "sv-ratio", p.Ratio, "a number of at least 1"); break;
            case RankPolicy.SvFro p: RequireShare("sv-fro", p.Share); break;
            case RankPolicy.SvCumulative p: RequireShare("sv-cumulative", p.Share); break;
            case RankPolicy.MaxError p: Require(p.Relative is >= 0 and < 1, "max-error", p.Relative, "a number of at least 0 and below 1"); break;
            case RankPolicy.TotalBytes p: Require(p.Bytes >= 1, "target-size", p.Bytes, "a size of at least 1 byte"); break;
        }
    }

    private static int Above(Spectrum spectrum, double bound)
    {
        int count = 0;
        while (count < spectrum.Count && spectrum.Relative[count] > bound) count++;
        return count;
    }

    private static int Reaching(Spectrum spectrum, double share, Func<double, double> weight)
    {
        double total = 0;
        foreach (double value in spectrum.Relative) total += weight(value);
        double sum = 0;
        int rank = 0;
        while (rank < spectrum.Count && sum < share * total) sum += weight(spectrum.Relative[rank++]);
        return AtLeastOne(rank);
    }

    private static int WithinError(Spectrum spectrum, double error)
    {
        int rank = 0;
        while (rank < spectrum.Count && spectrum.RelativeError(rank) > error) rank++;
        return AtLeastOne(rank);
    }

    private static int AtLeastOne(int rank) => Math.Max(rank, 1);

    private static void RequireShare(string name, double share) => Require(share is > 0 and <= 1, name, share, "a number above 0 and at most 1");

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (!holds) throw new InvalidOptionException(string.Create(CultureInfo.InvariantCulture, $"{name}: {value} is out of range; expected {expected}"));
    }
}

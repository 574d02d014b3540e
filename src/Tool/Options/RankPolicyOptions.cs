using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Ops.Resize;

namespace LoraKit.Tool.Options;

/// <summary>How <c>resize-rank</c> chooses ranks: one of seven options.</summary>
internal sealed class RankPolicyOptions
{
    private readonly Option<int?> _rank = NumberOption.Whole("--rank", "R", "This rank for every module; smaller ones grow by zeros");
    private readonly Option<double?> _energy = NumberOption.Decimal("--energy", "E", "The smallest rank that keeps this share of Σσ² (0.95)");
    private readonly Option<double?> _ratio = NumberOption.Decimal("--sv-ratio", "P", "As many as there are σ above the largest / P, as sd-scripts");
    private readonly Option<double?> _fro = NumberOption.Decimal("--sv-fro", "P", "The smallest rank that keeps this share of the Frobenius norm, as sd-scripts");
    private readonly Option<double?> _cumulative = NumberOption.Decimal("--sv-cumulative", "P", "The smallest rank that keeps this share of Σσ, as sd-scripts");
    private readonly Option<double?> _error = NumberOption.Decimal("--max-error", "E", "The smallest rank with at most this relative Frobenius error per module");
    private readonly Option<long?> _size = SizeOption.Create("--target-size", "One budget for the files, spent where it keeps the most energy over all modules");

    public RankPolicyOptions(Command command)
    {
        foreach (Option option in All) command.Options.Add(option);
    }

    private Option[] All => [_rank, _energy, _ratio, _fro, _cumulative, _error, _size];

    /// <exception cref="InvalidOptionException">None is given, or several are.</exception>
    public RankPolicy Read(ParseResult parsed)
    {
        RankPolicy?[] given =
        [
            parsed.GetValue(_rank) is { } rank ? new RankPolicy.Fixed(rank) : null,
            parsed.GetValue(_energy) is { } energy ? new RankPolicy.Energy(energy) : null,
            parsed.GetValue(_ratio) is { } ratio ? new RankPolicy.SvRatio(ratio) : null,
            parsed.GetValue(_fro) is { } fro ? new RankPolicy.SvFro(fro) : null,
            parsed.GetValue(_cumulative) is { } cumulative ? new RankPolicy.SvCumulative(cumulative) : null,
            parsed.GetValue(_error) is { } error ? new RankPolicy.MaxError(error) : null,
            parsed.GetValue(_size) is { } size ? new RankPolicy.TotalBytes(size) : null,
        ];
        return OneOf.Given(given, All) ?? throw new InvalidOptionException($"no rank is asked for; expected one of {OneOf.Names(All)}");
    }
}

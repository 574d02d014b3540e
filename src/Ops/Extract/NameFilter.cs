using System.Text.RegularExpressions;
using LoraKit.Formats;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Extract;

/// <summary>Which tensor names are wanted: those that one expression finds, without those that another finds.</summary>
internal sealed class NameFilter(string? include, string? exclude)
{
    /// <summary>No name needs as long, but for an expression that backtracks for ever.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    private readonly Regex? _include = Compile(include), _exclude = Compile(exclude);

    /// <exception cref="InvalidOptionException">An expression takes too long.</exception>
    public bool Wants(string name)
    {
        try
        {
            return _include?.IsMatch(name) != false && _exclude?.IsMatch(name) != true;
        }
        catch (RegexMatchTimeoutException slow)
        {
            throw new InvalidOptionException($"the expression '{Printable.Text(slow.Pattern)}' takes too long; simplify it (nested repetitions do that)");
        }
    }

    private static Regex? Compile(string? pattern)
    {
        try
        {
            return pattern is null ? null : new Regex(pattern, RegexOptions.CultureInvariant, Longest);
        }
        catch (ArgumentException invalid)
        {
            throw new InvalidOptionException($"'{Printable.Text(pattern!)}' is no regular expression: {Printable.Text(invalid.Message)}");
        }
    }
}

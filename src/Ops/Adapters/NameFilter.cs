using System.Text.RegularExpressions;
using LoraKit.Formats;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Adapters;

/// <summary>A choice of modules or tensors by name: those that one expression matches anywhere, without those that another does. In time linear in the name.</summary>
internal sealed class NameFilter
{
    private readonly Regex? _include;
    private readonly Regex? _exclude;

    /// <param name="include">A regular expression, .NET's without what needs backtracking; null takes all.</param>
    /// <param name="exclude">The same; null leaves none out.</param>
    /// <exception cref="InvalidOptionException">An expression is invalid, or needs backtracking.</exception>
    public NameFilter(string? include, string? exclude)
    {
        _include = Parse("include", include);
        _exclude = Parse("exclude", exclude);
    }

    /// <summary>Whether what has the name is chosen.</summary>
    public bool Takes(string name) => _include?.IsMatch(name) != false && _exclude?.IsMatch(name) != true;

    private static Regex? Parse(string name, string? expression)
    {
        if (expression is null) return null;
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (Exception invalid) when (invalid is ArgumentException or NotSupportedException)
        {
            string why = invalid is NotSupportedException ? "needs backtracking (lookarounds, backreferences), which is not supported" : "is no regular expression";
            throw new InvalidOptionException($"{name}: '{Printable.Text(expression)}' {why}");
        }
    }
}

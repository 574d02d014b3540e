using System.Text.RegularExpressions;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// One compiled Python pattern. Patterns come from files and may be made to backtrack for ever: where backtracking could blow up, matching is
/// linear in the text, and where the expression does not allow that (lookaround, backreferences), a short time limit holds, as for all.
/// </summary>
internal sealed class PythonPattern
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMilliseconds(500);

    // Nor may a pattern be slow on every one of thousands of names.
    private static readonly TimeSpan TimeLimitOfAll = TimeSpan.FromSeconds(5);

    private readonly string _net;
    private long _spentMilliseconds;
    private Regex? _regex;

    private PythonPattern(string before, string python, string after)
    {
        (string net, bool isHarmless, ShallowestBranch) = PythonRegexSyntax.Translate(python);
        _net = before + net + after;
        try
        {
            Regex backtracking = new(_net, RegexOptions.CultureInvariant, TimeLimit);
            if (isHarmless) _regex = backtracking;
        }
        catch (ArgumentException invalid)
        {
            // .NET's message shows the translated expression, which the file's author never wrote.
            throw new FormatException(invalid is RegexParseException parse ? $"it is invalid ({parse.Error})" : "it is invalid", invalid);
        }
    }

    /// <summary><c>re.match</c>: from the start of the text on.</summary>
    /// <exception cref="FormatException">The expression is invalid or not supported.</exception>
    public static PythonPattern Prefix(string python) => new(@"\A(?:", python, ")");

    /// <summary><c>re.fullmatch</c>: the whole text.</summary>
    /// <exception cref="FormatException">The expression is invalid or not supported.</exception>
    public static PythonPattern Whole(string python) => new(@"\A(?:", python, @")\z");

    /// <summary>In how many groups its outermost <c>|</c> stands; the largest integer where there is none.</summary>
    public int ShallowestBranch { get; }

    /// <summary>Whether the text matches.</summary>
    /// <exception cref="RegexMatchTimeoutException">It takes too long.</exception>
    public bool IsMatch(string text)
    {
        _regex ??= Linear();
        if (_spentMilliseconds > TimeLimitOfAll.TotalMilliseconds) throw new RegexMatchTimeoutException(text, _net, TimeLimitOfAll);
        long start = Environment.TickCount64;
        bool matches = _regex.IsMatch(text);
        _spentMilliseconds += Environment.TickCount64 - start;
        return matches;
    }

    /// <summary>Costs milliseconds to make, so only where it is needed.</summary>
    private Regex Linear()
    {
        try
        {
            return new Regex(_net, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, TimeLimit);
        }
        catch (NotSupportedException)
        {
            return new Regex(_net, RegexOptions.CultureInvariant, TimeLimit);
        }
    }
}

using System.Text.RegularExpressions;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// One compiled Python pattern. Patterns come from files and may be made to backtrack for ever, in Python as here: a short time limit holds.
/// An adapter with such a pattern was never loaded by PEFT, so what it means is not guessed.
/// </summary>
internal sealed class PythonPattern
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMilliseconds(500);

    // Nor may a pattern be slow on every one of thousands of names.
    private static readonly TimeSpan TimeLimitOfAll = TimeSpan.FromSeconds(5);

    private readonly string _net;
    private long _spentMilliseconds;
    private readonly Regex _regex;

    private PythonPattern(string before, string python, string after)
    {
        (string net, ShallowestBranch) = PythonRegexSyntax.Translate(python);
        _net = before + net + after;
        try
        {
            _regex = new(_net, RegexOptions.CultureInvariant, TimeLimit);
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
        if (_spentMilliseconds > TimeLimitOfAll.TotalMilliseconds) throw new RegexMatchTimeoutException(text, _net, TimeLimitOfAll);
        long start = Environment.TickCount64;
        bool matches = _regex.IsMatch(text);
        _spentMilliseconds += Environment.TickCount64 - start;
        return matches;
    }
}

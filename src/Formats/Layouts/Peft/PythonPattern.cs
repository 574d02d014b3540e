using System.Diagnostics;
using System.Text.RegularExpressions;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// One compiled Python pattern. Patterns come from files and may be made to backtrack for ever: matching is linear in the text where the
/// expression allows it, and under a short time limit where it does not (lookaround, backreferences).
/// </summary>
internal sealed class PythonPattern
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMilliseconds(500);

    // Nor may a pattern be slow on every one of thousands of names.
    private static readonly TimeSpan TimeLimitOfAll = TimeSpan.FromSeconds(5);

    private readonly Regex _regex;
    private readonly Stopwatch _spent = new();

    private PythonPattern(string net) => _regex = Compile(net);

    /// <summary><c>re.match</c>: from the start of the text on.</summary>
    /// <exception cref="FormatException">The expression is invalid or not supported.</exception>
    public static PythonPattern Prefix(string python) => new($@"\A(?:{PythonRegexSyntax.ToNet(python)})");

    /// <summary><c>re.fullmatch</c>: the whole text.</summary>
    /// <exception cref="FormatException">The expression is invalid or not supported.</exception>
    public static PythonPattern Whole(string python) => new($@"\A(?:{PythonRegexSyntax.ToNet(python)})\z");

    /// <summary>Whether the text matches.</summary>
    /// <exception cref="RegexMatchTimeoutException">It takes too long.</exception>
    public bool IsMatch(string text)
    {
        if (_spent.Elapsed > TimeLimitOfAll) throw new RegexMatchTimeoutException(text, _regex.ToString(), TimeLimitOfAll);
        _spent.Start();
        try
        {
            return _regex.IsMatch(text);
        }
        finally
        {
            _spent.Stop();
        }
    }

    private static Regex Compile(string net)
    {
        const RegexOptions common = RegexOptions.CultureInvariant;
        try
        {
            return new Regex(net, common | RegexOptions.NonBacktracking, TimeLimit);
        }
        catch (NotSupportedException)
        {
            return new Regex(net, common, TimeLimit);
        }
        catch (ArgumentException invalid)
        {
            throw new FormatException(Reason(invalid), invalid);
        }
    }

    /// <summary>.NET's reason without the translated expression, which the file's author never wrote.</summary>
    private static string Reason(ArgumentException invalid) =>
        invalid is RegexParseException parse ? $"it is invalid ({parse.Error})" : "it is invalid";
}

using System.Globalization;
using System.Text;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// A regular expression in Python's syntax, written in .NET's with the same meaning. What differs silently between the two (<c>\Z</c>,
/// <c>(?P&lt;name&gt;…)</c>, <c>{,n}</c>, group numbers, <c>[</c> inside a class) is translated; what .NET lacks, or Python refuses, is refused by name.
/// </summary>
internal sealed class PythonRegexSyntax
{
    private const int MaxLength = 10_000;
    private const int MaxDepth = 100;
    private const int MaxRepeat = 1000;

    private readonly string _python;
    private readonly StringBuilder _net = new();
    private readonly Dictionary<string, int> _groups = new(StringComparer.Ordinal);
    private int _at;
    private int _groupCount;
    private int _depth;
    private int _shallowestBranch = int.MaxValue;

    private PythonRegexSyntax(string python) => _python = python;

    /// <summary>The same expression for <see cref="System.Text.RegularExpressions.Regex"/>.</summary>
    /// <param name="python">The expression as Python reads it.</param>
    /// <returns>The expression, and in how many groups its outermost <c>|</c> stands.</returns>
    /// <exception cref="FormatException">Invalid in Python, or a construct that is not translated; the message says which.</exception>
    public static (string Net, int ShallowestBranch) Translate(string python)
    {
        if (python.Length > MaxLength) throw new FormatException($"it is {python.Length} characters long (at most {MaxLength})");
        PythonRegexSyntax syntax = new(python);
        return (syntax.Translate(), syntax._shallowestBranch);
    }

    private string Translate()
    {
        while (_at < _python.Length)
        {
            char c = _python[_at++];
            switch (c)
            {
                case '\\': Escape(); break;
                case '[': Class(); break;
                case '(': Open(); break;
                case ')':
                    _depth--;
                    _net.Append(c);
                    break;
                case '*' or '+' or '?':
                    Quantify(c.ToString());
                    break;
                case '{': Braces(); break;
                case '|':
                    _shallowestBranch = Math.Min(_shallowestBranch, _depth);
                    _net.Append(c);
                    break;
                case '.' or '^' or '$': _net.Append(c); break;
                default: Literal(c); break;
            }
        }

        return _net.ToString();
    }

    private void Open()
    {
        if (++_depth > MaxDepth) throw new FormatException($"groups are nested more than {MaxDepth} deep");
        if (!Accept("?"))
        {
            _groupCount++;
            _net.Append('(');
        }
        else if (Accept("P<"))
        {
            string name = Until('>');
            if (!_groups.TryAdd(name, ++_groupCount)) throw new FormatException($"group name '{name}' is used twice");
            _net.Append('(');
        }
        else if (Accept("P="))
        {
            string name = Until(')');
            _depth--;
            if (!_groups.TryGetValue(name, out int number)) throw new FormatException($"group name '{name}' is not known");
            Backreference(number);
        }
        else if (Accept("#"))
        {
            Until(')');
            _depth--;
        }
        else if (Accept("("))
        {
            throw new FormatException("conditional groups '(?(…)…)' are not supported");
        }
        else if (Accept(":") || Accept("=") || Accept("!") || Accept(">") || Accept("<=") || Accept("<!"))
        {
            int open = _python.LastIndexOf('(', _at - 1);
            _net.Append(_python, open, _at - open);
        }
        else
        {
            Flags();
        }
    }

    private void Flags()
    {
        int start = _at;
        while (_at < _python.Length && (char.IsAsciiLetter(_python[_at]) || _python[_at] == '-')) _at++;
        string flags = _python[start.._at];
        if (flags.Length == 0 || !Accept(":")) throw new FormatException($"'(?{flags}' is not supported here");
        if (flags.AsSpan().IndexOfAnyExcept("ims-") >= 0) throw new FormatException($"the flags '(?{flags}:' are not supported");
        _net.Append(CultureInfo.InvariantCulture, $"(?{flags}:");
    }

    private void Braces()
    {
        int start = _at;
        string low = Digits();
        bool range = Accept(",");
        string high = range ? Digits() : low;
        if (!Accept("}") || (low.Length == 0 && !range))
        {
            _at = start;
            Literal('{');
            return;
        }

        string most = !range ? "" : high.Length == 0 ? "," : string.Create(CultureInfo.InvariantCulture, $",{Repeat(high)}");
        Quantify(string.Create(CultureInfo.InvariantCulture, $"{{{(low.Length == 0 ? 0 : Repeat(low))}{most}}}"));
    }

    private static int Repeat(string digits)
    {
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= MaxRepeat
            ? count
            : throw new FormatException($"a repeat of {digits} is too many (at most {MaxRepeat})");
    }

    private void Quantify(string quantifier)
    {
        _net.Append(quantifier);
        if (Accept("+")) throw new FormatException("possessive quantifiers are not supported");
        if (Accept("?")) _net.Append('?');
    }

    private void Class()
    {
        _net.Append('[');
        if (Accept("^")) _net.Append('^');
        for (bool first = true; ; first = false)
        {
            if (_at >= _python.Length) throw new FormatException("a character class '[' is not closed");
            char c = _python[_at++];
            if (c == ']' && !first)
            {
                _net.Append(']');
                return;
            }

            if (c == '\\') ClassEscape();
            else if (c is '-') _net.Append(c);
            else Literal(c);
        }
    }

    private void ClassEscape()
    {
        char c = Next();
        if (c is 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'b') _net.Append('\\').Append(c);
        else CharacterEscape(c);
    }

    private void Escape()
    {
        char c = Next();
        if (c is 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'b' or 'B' or 'A') _net.Append('\\').Append(c);
        else if (c is 'Z' or 'z') _net.Append(@"\z");
        else if (c is >= '1' and <= '9') Backreference(c);
        else CharacterEscape(c);
    }

    private void Backreference(char first)
    {
        int number = first - '0';
        if (_at < _python.Length && char.IsAsciiDigit(_python[_at])) number = (number * 10) + (_python[_at++] - '0');
        if (_at < _python.Length && char.IsAsciiDigit(_python[_at])) throw new FormatException("octal escapes are not supported");
        if (number > _groupCount) throw new FormatException($"there is no group {number}");
        Backreference(number);
    }

    private void Backreference(int number) => _net.Append(CultureInfo.InvariantCulture, $@"(?:\k<{number}>)");

    private void CharacterEscape(char c)
    {
        if (c is 'a' or 'f' or 'n' or 'r' or 't' or 'v') _net.Append('\\').Append(c);
        else if (c == 'x') Literal((char)Hex(2));
        else if (c == 'u') Literal((char)Hex(4));
        else if (c == 'U') throw new FormatException(@"the escape '\U' is not supported");
        else if (c == 'N') throw new FormatException(@"the escape '\N' is not supported");
        else if (char.IsAsciiDigit(c)) throw new FormatException("octal escapes are not supported");
        else if (char.IsAsciiLetter(c)) throw new FormatException($@"'\{c}' is no escape in Python");
        else Literal(c);
    }

    private int Hex(int digits)
    {
        if (_at + digits <= _python.Length
            && int.TryParse(_python.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
        {
            _at += digits;
            return value;
        }

        throw new FormatException("a '\\x' or '\\u' escape lacks its digits");
    }

    private void Literal(char c)
    {
        if (char.IsAsciiLetterOrDigit(c) || c == '_' || c > 0x7f) _net.Append(c);
        else _net.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
    }

    private char Next() => _at < _python.Length ? _python[_at++] : throw new FormatException("it ends in a backslash");

    private string Digits()
    {
        int start = _at;
        while (_at < _python.Length && char.IsAsciiDigit(_python[_at])) _at++;
        return _python[start.._at];
    }

    private string Until(char end)
    {
        int found = _python.IndexOf(end, _at);
        if (found < 0) throw new FormatException($"'{end}' is missing");
        string text = _python[_at..found];
        _at = found + 1;
        return text;
    }

    private bool Accept(string text)
    {
        if (string.CompareOrdinal(_python, _at, text, 0, text.Length) != 0) return false;
        _at += text.Length;
        return true;
    }
}

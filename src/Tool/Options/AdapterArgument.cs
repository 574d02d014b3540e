using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using LoraKit.Ops;

namespace LoraKit.Tool.Options;

/// <summary>An adapter as it is typed: <c>PATH</c> or <c>PATH@WEIGHT</c>.</summary>
internal static class AdapterArgument
{
    private const NumberStyles Number = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>Splits at the last <c>@</c> if a number follows it; otherwise all of it is the path, and the weight is 1.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out AdapterInput? adapter, [NotNullWhen(false)] out string? error)
    {
        adapter = null;
        error = null;
        int at = text.LastIndexOf('@');
        string path = text;
        double weight = 1;
        // Words that parse as numbers (NaN, Infinity) are part of a path.
        if (at >= 0 && at < text.Length - 1 && !char.IsAsciiLetter(text[^1]) && IsNumberStart(text[at + 1])
            && double.TryParse(text.AsSpan(at + 1), Number, CultureInfo.InvariantCulture, out double typed))
        {
            (path, weight) = (text[..at], typed);
        }

        if (path.Length == 0) error = $"'{text}' names no adapter; expected PATH or PATH@WEIGHT";
        else if (!double.IsFinite(weight)) error = $"the weight of '{text}' is too large; expected a finite number";
        else adapter = new AdapterInput(path, weight);
        return error is null;
    }

    private static bool IsNumberStart(char c) => char.IsAsciiDigit(c) || c is '+' or '-' or '.';
}

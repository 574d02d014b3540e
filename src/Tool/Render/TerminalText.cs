using System.Globalization;
using System.Text;

namespace LoraKit.Tool.Render;

/// <summary>
/// Text that may hold names from files, made fit for a terminal: control characters (and with them ANSI sequences and line ends),
/// direction marks and other invisible characters appear as <c>\u001b</c>.
/// </summary>
internal static class TerminalText
{
    /// <summary>The text on one line, with nothing hidden in it.</summary>
    public static string Escape(string text)
    {
        int i = 0;
        while (i < text.Length && char.IsAscii(text[i]) && !char.IsControl(text[i]))
        {
            i++;
        }

        return i == text.Length ? text : EscapeFrom(text, i);
    }

    /// <summary>JSON with its invisible characters written as escapes, which mean the same inside its strings.</summary>
    public static string EscapeJson(string json)
    {
        StringBuilder? escaped = null;
        for (int i = 0; i < json.Length; i++)
        {
            bool hidden = char.GetUnicodeCategory(json[i]) is
                UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse;
            if (hidden) (escaped ??= new StringBuilder(json, 0, i, json.Length + 16)).Append(CultureInfo.InvariantCulture, $"\\u{(int)json[i]:x4}");
            else escaped?.Append(json[i]);
        }

        return escaped?.ToString() ?? json;
    }

    private static string EscapeFrom(string text, int start)
    {
        StringBuilder escaped = new(text, 0, start, text.Length + 16);
        for (int i = start; i < text.Length;)
        {
            // Half a surrogate pair is no character, and is shown by its code.
            bool whole = Rune.TryGetRuneAt(text, i, out Rune rune);
            int length = whole ? rune.Utf16SequenceLength : 1;
            if (whole && IsVisible(rune)) escaped.Append(text, i, length);
            else for (int k = 0; k < length; k++) escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i + k]:x4}");
            i += length;
        }

        return escaped.ToString();
    }

    private static bool IsVisible(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}

using System.Globalization;
using System.Text;

namespace LoraKit.Formats.Files;

/// <summary>
/// Text from a file made fit for a message or a terminal: what could move the cursor, reorder the line or break it is escaped,
/// what is too long is cut.
/// </summary>
public static class Printable
{
    /// <summary>The most characters of a name that a message shows.</summary>
    public const int MaxLength = 200;

    /// <summary>
    /// The text on one line. Control, format (bidirectional overrides among them), surrogate, private and unassigned characters and
    /// separators other than the space become <c>\u{…}</c>.
    /// </summary>
    /// <param name="text">Anything, however hostile.</param>
    /// <param name="maxLength">How many UTF-16 units of it to show at most.</param>
    public static string Text(string text, int maxLength = MaxLength)
    {
        int shown = Math.Min(text.Length, maxLength);
        if (shown < text.Length && shown > 0 && char.IsHighSurrogate(text[shown - 1])) shown--;
        StringBuilder line = new(shown + 16);
        for (int i = 0; i < shown;)
        {
            bool valid = Rune.TryGetRuneAt(text, i, out Rune rune);
            if (!valid) Escape(line, text[i]);
            else if (IsSafe(rune)) line.Append(text, i, rune.Utf16SequenceLength);
            else Escape(line, rune.Value);
            i += valid ? rune.Utf16SequenceLength : 1;
        }

        if (shown < text.Length) line.Append(CultureInfo.InvariantCulture, $"… ({text.Length} characters)");
        return line.ToString();
    }

    private static bool IsSafe(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        UnicodeCategory.SpaceSeparator => rune.Value == ' ',
        _ => true,
    };

    private static void Escape(StringBuilder line, int value) => line.Append(CultureInfo.InvariantCulture, $"\\u{{{value:x4}}}");
}

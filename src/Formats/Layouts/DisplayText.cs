using System.Globalization;
using System.Text;

namespace LoraKit.Formats.Layouts;

/// <summary>Names from files, made fit for a one-line message: no control or direction characters, not endless.</summary>
internal static class DisplayText
{
    private const int Longest = 200;

    public static string Escape(string name)
    {
        StringBuilder text = new(Math.Min(name.Length, Longest + 1));
        foreach (char c in name)
        {
            if (text.Length >= Longest) return text.Append('…').ToString();
            if (IsPlain(c)) text.Append(c);
            else text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }

        return text.ToString();
    }

    private static bool IsPlain(char c) => char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse);
}

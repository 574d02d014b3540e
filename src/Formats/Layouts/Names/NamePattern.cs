using System.Buffers;

namespace LoraKit.Formats.Layouts.Names;

/// <summary>A module's name with <c>#</c> for whole components that are numbers; found by name with dots, or with <c>_</c> in their place.</summary>
internal static class NamePattern
{
    private const string Number = "#";
    private const int MostDigits = 9;
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789");

    /// <summary>The key under which a pattern or a name is found: every component that is a number gives way to <c>#</c>.</summary>
    public static string Key(string name, char separator) => string.Join(separator, name.Split(separator).Select(part => IsNumber(part) ? Number : part));

    /// <summary>As sd-scripts writes it.</summary>
    public static string Flatten(string name) => name.Replace('.', '_');

    /// <summary>The numbers that stand for <c>#</c>, as they are written; null where the name has others than the pattern states.</summary>
    public static IReadOnlyList<string>? Match(string pattern, string name, char separator)
    {
        string[] stated = pattern.Split(separator), given = name.Split(separator);
        if (stated.Length != given.Length) return null;
        List<string> numbers = [];
        for (int i = 0; i < stated.Length; i++)
        {
            if (stated[i] == given[i]) continue;
            if (stated[i] != Number || !IsNumber(given[i])) return null;
            numbers.Add(given[i]);
        }

        return numbers;
    }

    /// <summary>The name with numbers in place of each <c>#</c>.</summary>
    public static string Fill(string pattern, IReadOnlyList<string> numbers)
    {
        int next = 0;
        return string.Join('.', pattern.Split('.').Select(part => part == Number ? numbers[next++] : part));
    }

    private static bool IsNumber(string part) => part == Number || (part.Length is > 0 and <= MostDigits && !part.AsSpan().ContainsAnyExcept(Digits) && (part.Length == 1 || part[0] != '0'));
}

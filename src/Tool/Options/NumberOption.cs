using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is a number, written with a point in every language. Ranges are the library's to check.</summary>
internal static class NumberOption
{
    /// <summary>A decimal number: <c>0.5</c>, <c>-2</c>, <c>1e-3</c>.</summary>
    public static Option<double?> Decimal(string name, string helpName, string description) => Create<double>(
        name, helpName, description, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, "number");

    /// <summary>A whole number: <c>16</c>.</summary>
    public static Option<int?> Whole(string name, string helpName, string description) =>
        Create<int>(name, helpName, description, NumberStyles.AllowLeadingSign, "whole number");

    /// <summary><c>--seed S</c>: a whole number of 64 bits.</summary>
    public static Option<long?> Seed(string description) => Create<long>("--seed", "S", description, NumberStyles.AllowLeadingSign, "whole number");

    private static Option<T?> Create<T>(string name, string helpName, string description, NumberStyles style, string what)
        where T : struct, INumber<T> => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result => Parse<T>(result, name, style, what),
        };

    private static T? Parse<T>(ArgumentResult result, string name, NumberStyles style, string what)
        where T : struct, INumber<T>
    {
        string text = result.Tokens[0].Value;
        // Words that parse as numbers (NaN, Infinity) are none.
        if (!char.IsAsciiLetter(text.LastOrDefault()) && T.TryParse(text, style, CultureInfo.InvariantCulture, out T value)) return value;
        result.AddError($"{name}: '{text}' is no {what}");
        return null;
    }
}

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is a number, written with a point in every language. Most ranges are the library's to check.</summary>
internal static class NumberOption
{
    private const NumberStyles DecimalStyle = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>A decimal number: <c>0.5</c>, <c>-2</c>, <c>1e-3</c>.</summary>
    public static Option<double?> Decimal(string name, string helpName, string description) =>
        Create(name, helpName, description, DecimalStyle, "number", double.MinValue);

    /// <summary>A decimal number that is not negative.</summary>
    public static Option<double?> FromZero(string name, string helpName, string description) =>
        Create(name, helpName, description, DecimalStyle, "number from 0 on", 0.0);

    /// <summary>A whole number: <c>16</c>.</summary>
    public static Option<int?> Whole(string name, string helpName, string description) =>
        Create(name, helpName, description, NumberStyles.AllowLeadingSign, "whole number", int.MinValue);

    /// <summary><c>--seed S</c>: a whole number of 64 bits.</summary>
    public static Option<long?> Seed(string description) => Create("--seed", "S", description, NumberStyles.AllowLeadingSign, "whole number", long.MinValue);

    private static Option<T?> Create<T>(string name, string helpName, string description, NumberStyles style, string what, T least)
        where T : struct, INumber<T> => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result => Parse(result, name, style, what, least),
        };

    private static T? Parse<T>(ArgumentResult result, string name, NumberStyles style, string what, T least)
        where T : struct, INumber<T>
    {
        string text = result.Tokens[0].Value;
        // Words that parse as numbers (NaN, Infinity) are none, nor are numbers that are too large for their type.
        if (!char.IsAsciiLetter(text.LastOrDefault()) && T.TryParse(text, style, CultureInfo.InvariantCulture, out T value) && T.IsFinite(value) && value >= least) return value;
        result.AddError($"{name}: '{text}' is no {what}");
        return null;
    }
}

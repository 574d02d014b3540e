using System.Globalization;

namespace LoraKit.Tool.Render;

/// <summary>Quantities as people read them.</summary>
internal static class Words
{
    private static readonly string[] ByteUnits = ["B", "kB", "MB", "GB", "TB", "PB"];

    /// <summary>A size in decimal units: <c>80.2 MB</c>.</summary>
    public static string Bytes(double bytes)
    {
        int unit = 0;
        while (Math.Abs(bytes) >= 999.95 && unit < ByteUnits.Length - 1)
        {
            bytes /= 1000;
            unit++;
        }

        return bytes.ToString(unit == 0 ? "0 'B'" : $"0.0 '{ByteUnits[unit]}'", CultureInfo.InvariantCulture);
    }

    /// <summary>A count: <c>40,370,176</c>.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A count of something: <c>1 tensor</c>, <c>224 tensors</c>.</summary>
    public static string Count(long count, string noun) => count == 1 ? $"1 {noun}" : $"{Count(count)} {noun}s";

    /// <summary>What stands for the rest of a list: <c>… and 12 more (--verbose lists them)</c>.</summary>
    public static string More(int left) => $"… and {Count(left)} more (--verbose lists them)";

    /// <summary>A number, as short as it is exact enough: <c>0.7071</c>, <c>3.16e-6</c>; a dash for none.</summary>
    public static string Number(double? value)
    {
        if (value is not { } number) return "–";
        bool isPlain = number == 0 || Math.Abs(number) is >= 1e-3 and < 1e6;
        return number.ToString(isPlain ? "0.####" : "0.###e+0", CultureInfo.InvariantCulture);
    }

    /// <summary>A duration: <c>0.8 s</c>, <c>2 min 05 s</c>.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds < 60
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s")
        : string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min {time.Seconds:00} s");
}

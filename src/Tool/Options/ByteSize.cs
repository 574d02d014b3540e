using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace LoraKit.Tool.Options;

/// <summary>Sizes as people type them: <c>20MB</c>, <c>1.5GiB</c>, <c>4096</c>.</summary>
internal static class ByteSize
{
    private static readonly (string Unit, long Bytes)[] Units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ];

    /// <summary>Reads a size of at least one byte; a fraction of a byte is dropped. The units' case does not matter.</summary>
    /// <param name="text">A decimal number and a unit, a space between them or not.</param>
    /// <param name="bytes">The size.</param>
    /// <param name="error">What is wrong, where false is returned.</param>
    public static bool TryParse(string text, out long bytes, [NotNullWhen(false)] out string? error)
    {
        bytes = 0;
        error = $"'{text}' is no size; expected bytes, or a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB: 20MB, 1.5GiB";
        string trimmed = text.Trim();
        (string unit, long unitBytes) = Units.First(u => trimmed.EndsWith(u.Unit, StringComparison.OrdinalIgnoreCase));
        string number = trimmed[..^unit.Length].TrimEnd();
        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value)) return false;
        if (value > (decimal)long.MaxValue / unitBytes)
        {
            error = $"'{text}' is too large; the largest size is {long.MaxValue} bytes";
            return false;
        }

        bytes = (long)(value * unitBytes);
        if (bytes == 0)
        {
            error = $"'{text}' is less than one byte";
            return false;
        }

        error = null;
        return true;
    }
}

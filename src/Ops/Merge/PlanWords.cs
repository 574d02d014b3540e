using System.Globalization;
using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Merge;

/// <summary>What changes a tensor, in a plan's words: <c>lora r=16 × 0.5</c>.</summary>
internal static class PlanWords
{
    public static string Of(AdapterDelta delta) => delta.Facts.Rank is { } rank ? $"{delta.Kind} r={rank}" : delta.Kind;

    public static string Weighted(string word, double weight) => weight == 1 ? word : $"{word} × {Number(weight)}";

    public static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}

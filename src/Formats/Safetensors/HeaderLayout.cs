using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// The rules that make offsets trustworthy: sorted by offset, tensors tile the data without gap or overlap, and each is as long
/// as its shape and element type ask. Headers that are read and headers that are planned both pass here.
/// </summary>
internal static class HeaderLayout
{
    private const int MaxShownRank = 16;

    /// <summary>Sorts by offset; tensors of the same range (empty ones) keep the order of the text.</summary>
    public static void Sort(Span<HeaderEntry> entries) => entries.Sort(static (left, right) =>
    {
        int order = left.Begin.CompareTo(right.Begin);
        if (order == 0) order = left.End.CompareTo(right.End);
        return order != 0 ? order : left.Index.CompareTo(right.Index);
    });

    /// <summary>Finds the first broken rule.</summary>
    /// <param name="entries">The tensors, sorted.</param>
    /// <param name="dataLength">How many bytes of data there are.</param>
    /// <returns>The rule, or null where all hold.</returns>
    public static LayoutFault? Check(ReadOnlySpan<HeaderEntry> entries, ulong dataLength)
    {
        ulong end = 0;
        foreach (HeaderEntry entry in entries)
        {
            if (entry.Begin != end || entry.End < entry.Begin) return OffsetFault(entry, end);
            if (entry.Size.IsOverflow) return new(entry.Name, $"the size of shape {Shape(entry)} × {Bits(entry)} bits overflows 64 bits");
            if (entry.Size.IsPartialByte)
                return new(entry.Name, $"shape {Shape(entry)} of {entry.DType.FileName()} ({Bits(entry)} bits each) is no whole number of bytes");
            if (entry.End - entry.Begin != entry.Size.Bytes)
                return new(entry.Name,
                    $"its data_offsets hold {entry.End - entry.Begin} bytes, but shape {Shape(entry)} of {entry.DType.FileName()} needs {entry.Size.Bytes}");
            end = entry.End;
        }

        if (end == dataLength) return null;
        return end > dataLength
            ? new(FirstCut(entries, dataLength),
                $"the file is truncated here: the header describes {end} bytes of data, but only {dataLength} follow it; fetch or write it again")
            : new(null,
                $"the file is too long: {dataLength - end} bytes follow the last tensor's end, at {end} of {dataLength} bytes of data; fetch or write it again");
    }

    private static string FirstCut(ReadOnlySpan<HeaderEntry> entries, ulong dataLength)
    {
        int first = 0;
        while (entries[first].End <= dataLength) first++;
        return entries[first].Name;
    }

    private static LayoutFault OffsetFault(in HeaderEntry entry, ulong end)
    {
        string range = $"data_offsets [{entry.Begin}, {entry.End}]";
        if (entry.End < entry.Begin) return new(entry.Name, $"its {range} end before they begin");
        return new(entry.Name, entry.Begin > end
            ? $"its {range} leave a gap: {end} was expected as the begin"
            : $"its {range} overlap another tensor: {end} was expected as the begin");
    }

    // A hostile shape may have millions of dimensions: a message shows the first few.
    private static string Shape(in HeaderEntry entry) => entry.Shape.Rank <= MaxShownRank
        ? entry.Shape.ToString()
        : $"[{string.Join(", ", entry.Shape.Sizes.Take(MaxShownRank))}, … ({entry.Shape.Rank} dimensions)]";

    private static int Bits(in HeaderEntry entry) => entry.DType.Bits();
}

/// <summary>A broken rule.</summary>
/// <param name="Tensor">The tensor that breaks it, as spelt in the file; null where it is about the whole.</param>
/// <param name="Reason">What was found and what was expected.</param>
internal readonly record struct LayoutFault(string? Tensor, string Reason)
{
    /// <summary>The rule with the tensor's name, escaped.</summary>
    public string Message => Tensor is null ? Reason : $"tensor '{Printable.Text(Tensor)}': {Reason}";
}

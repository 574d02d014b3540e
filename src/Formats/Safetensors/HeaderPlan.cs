using System.Runtime.InteropServices;
using System.Text;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>Lays tensors out for a file to be written, in the canonical order: wide element types first, so that all stay aligned.</summary>
internal static class HeaderPlan
{
    /// <summary>The name that is no tensor's.</summary>
    public const string MetadataKey = "__metadata__";

    /// <summary>Sorts and places the tensors one after the other.</summary>
    /// <exception cref="ArgumentException">A name cannot be written, or a size is no whole number of bytes.</exception>
    public static HeaderEntry[] Layout(IEnumerable<(string Name, DType DType, TensorShape Shape)> tensors)
    {
        var ordered = tensors.OrderByDescending(tensor => tensor.DType).ThenBy(tensor => tensor.Name, Utf8Order.Instance).ToArray();
        HashSet<string> names = new(ordered.Length, StringComparer.Ordinal);
        HeaderEntry[] entries = new HeaderEntry[ordered.Length];
        ulong end = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            (string name, DType dtype, TensorShape shape) = ordered[i];
            CheckName(name);
            if (!names.Add(name)) throw new ArgumentException($"tensor '{Printable.Text(name)}' is given twice");
            TensorSize size = TensorSize.Of(dtype, MemoryMarshal.Cast<long, ulong>(shape.Sizes.AsSpan()));
            ulong begin = end;
            end = unchecked(begin + size.Bytes);
            entries[i] = new(name, shape, begin, end, size, i, dtype);
        }

        return entries;
    }

    /// <summary>A copy of the metadata, every string of which can be written as UTF-8.</summary>
    /// <exception cref="ArgumentException">A string has a lone surrogate.</exception>
    public static Dictionary<string, string> Metadata(IReadOnlyDictionary<string, string> metadata)
    {
        foreach ((string key, string value) in metadata)
        {
            if (!IsWellFormed(key) || !IsWellFormed(value))
                throw new ArgumentException($"metadata '{Printable.Text(key)}' has a lone surrogate, which UTF-8 cannot hold");
        }

        return new(metadata, StringComparer.Ordinal);
    }

    private static void CheckName(string name)
    {
        if (name == MetadataKey) throw new ArgumentException($"'{MetadataKey}' is reserved and cannot name a tensor");
        if (name.Contains('\0')) throw new ArgumentException($"tensor name '{Printable.Text(name)}' holds a NUL character");
        if (!IsWellFormed(name)) throw new ArgumentException($"tensor name '{Printable.Text(name)}' has a lone surrogate, which UTF-8 cannot hold");
    }

    private static bool IsWellFormed(string text)
    {
        for (ReadOnlySpan<char> rest = text; !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out _, out int used) != System.Buffers.OperationStatus.Done) return false;
            rest = rest[used..];
        }

        return true;
    }
}

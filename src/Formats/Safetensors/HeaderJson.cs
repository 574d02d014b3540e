using System.Buffers;
using System.Buffers.Text;
using System.Text;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// The header's JSON in the reference's spelling, byte for byte: no white space, and of all characters only the quote, the
/// backslash and those below U+0020 escaped.
/// </summary>
internal static class HeaderJson
{
    private static readonly SearchValues<char> Escaped =
        SearchValues.Create(['"', '\\', .. Enumerable.Range(0, 0x20).Select(unit => (char)unit)]);

    /// <summary>Appends the whole object.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="metadata">The metadata; null writes none, an empty map writes an empty object.</param>
    /// <param name="tensors">The tensors in the order of their bytes.</param>
    /// <param name="dataOffset">Where in the file the tensors' data begins.</param>
    public static void Write(
        IBufferWriter<byte> target, IReadOnlyDictionary<string, string>? metadata, IEnumerable<TensorInfo> tensors, long dataOffset)
    {
        target.Write("{"u8);
        bool first = true;
        if (metadata is not null)
        {
            WriteMetadata(target, metadata);
            first = false;
        }

        foreach (TensorInfo tensor in tensors)
        {
            if (!first) target.Write(","u8);
            first = false;
            WriteTensor(target, tensor, dataOffset);
        }

        target.Write("}"u8);
    }

    private static void WriteMetadata(IBufferWriter<byte> target, IReadOnlyDictionary<string, string> metadata)
    {
        target.Write("\"__metadata__\":{"u8);
        bool first = true;
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, Utf8Order.Instance))
        {
            if (!first) target.Write(","u8);
            first = false;
            WriteString(target, key);
            target.Write(":"u8);
            WriteString(target, value);
        }

        target.Write("}"u8);
    }

    private static void WriteTensor(IBufferWriter<byte> target, TensorInfo tensor, long dataOffset)
    {
        WriteString(target, tensor.Name);
        target.Write(":{\"dtype\":\""u8);
        WriteUtf8(target, tensor.DType.FileName());
        target.Write("\",\"shape\":["u8);
        for (int i = 0; i < tensor.Shape.Rank; i++)
        {
            if (i > 0) target.Write(","u8);
            WriteNumber(target, tensor.Shape[i]);
        }

        target.Write("],\"data_offsets\":["u8);
        WriteNumber(target, tensor.Offset - dataOffset);
        target.Write(","u8);
        WriteNumber(target, tensor.End - dataOffset);
        target.Write("]}"u8);
    }

    private static void WriteNumber(IBufferWriter<byte> target, long value)
    {
        Utf8Formatter.TryFormat(value, target.GetSpan(20), out int written);
        target.Advance(written);
    }

    private static void WriteString(IBufferWriter<byte> target, ReadOnlySpan<char> text)
    {
        target.Write("\""u8);
        while (true)
        {
            int plain = text.IndexOfAny(Escaped);
            WriteUtf8(target, plain < 0 ? text : text[..plain]);
            if (plain < 0) break;
            WriteEscape(target, text[plain]);
            text = text[(plain + 1)..];
        }

        target.Write("\""u8);
    }

    private static void WriteUtf8(IBufferWriter<byte> target, ReadOnlySpan<char> text) => Encoding.UTF8.GetBytes(text, target);

    private static void WriteEscape(IBufferWriter<byte> target, char unit)
    {
        ReadOnlySpan<byte> ofItsOwn = unit switch
        {
            '"' => "\\\""u8,
            '\\' => "\\\\"u8,
            '\b' => "\\b"u8,
            '\f' => "\\f"u8,
            '\n' => "\\n"u8,
            '\r' => "\\r"u8,
            '\t' => "\\t"u8,
            _ => [],
        };
        if (ofItsOwn.IsEmpty) WriteHex(target, (byte)unit);
        else target.Write(ofItsOwn);
    }

    private static void WriteHex(IBufferWriter<byte> target, byte value)
    {
        target.Write("\\u00"u8);
        Utf8Formatter.TryFormat(value, target.GetSpan(2), out int written, new StandardFormat('x', 2));
        target.Advance(written);
    }
}

using System.Text.Json;
using System.Text.Unicode;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>Why a file that should be JSON is none.</summary>
internal static class NotJson
{
    /// <summary>What it is instead, where that is known; else where the text breaks.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="error">The parser's complaint.</param>
    public static string Reason(ReadOnlySpan<byte> bytes, Exception error)
    {
        FileKind kind = FileKinds.Detect(bytes[..Math.Min(bytes.Length, FileKinds.BytesNeeded)]);
        if (kind is not (FileKind.Json or FileKind.Text) && kind.Explain() is { } explanation) return explanation;
        if (!Utf8.IsValid(bytes)) return "no valid JSON: the text is not UTF-8";
        return error is JsonException { LineNumber: { } line, BytePositionInLine: { } position }
            ? $"no valid JSON (line {line + 1}, byte {position + 1})"
            : "no valid JSON: a name is there twice, or a string is no valid text";
    }
}

using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace LoraKit.Tool.Render.Json;

/// <summary>Writes the one document of a command.</summary>
internal static class JsonOutput
{
    // Quotes and letters of all scripts as they are.
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(TextWriter output, ErrorDocument document) => Write(output, document, ToolJson.Default.ErrorDocument);

    public static void Write(TextWriter output, InspectDocument document) => Write(output, document, ToolJson.Default.InspectDocument);

    public static void Write(TextWriter output, DiffDocument document) => Write(output, document, ToolJson.Default.DiffDocument);

    public static void Write(TextWriter output, VerifyDocument document) => Write(output, document, ToolJson.Default.VerifyDocument);

    public static void Write(TextWriter output, MergeDocument document) => Write(output, document, ToolJson.Default.MergeDocument);

    public static void Write(TextWriter output, RescaleDocument document) => Write(output, document, ToolJson.Default.RescaleDocument);

    public static void Write(TextWriter output, ResizeDocument document) => Write(output, document, ToolJson.Default.ResizeDocument);

    public static void Write(TextWriter output, StackDocument document) => Write(output, document, ToolJson.Default.StackDocument);

    public static void Write(TextWriter output, ConvertDocument document) => Write(output, document, ToolJson.Default.ConvertDocument);

    public static void Write(TextWriter output, ExtractDocument document) => Write(output, document, ToolJson.Default.ExtractDocument);

    public static void Write(TextWriter output, UnmergeDocument document) => Write(output, document, ToolJson.Default.UnmergeDocument);

    public static void Write(TextWriter output, DoctorDocument document) => Write(output, document, ToolJson.Default.DoctorDocument);

    /// <summary>JSON has no NaN and no infinity.</summary>
    public static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    /// <summary>A duration, to the millisecond.</summary>
    public static double? Seconds(TimeSpan? time) => time is { } elapsed ? Math.Round(elapsed.TotalSeconds, 3) : null;

    private static void Write<T>(TextWriter output, T document, JsonTypeInfo<T> type)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, Readable))
        {
            type.SerializeHandler!(writer, document);
        }

        output.WriteLine(TerminalText.EscapeJson(Encoding.UTF8.GetString(buffer.WrittenSpan)));
    }
}

/// <summary>How the documents are written, known at build time: no reflection at start-up, and no metadata, which would be half a megabyte.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ErrorDocument))]
[JsonSerializable(typeof(InspectDocument))]
[JsonSerializable(typeof(DiffDocument))]
[JsonSerializable(typeof(VerifyDocument))]
[JsonSerializable(typeof(MergeDocument))]
[JsonSerializable(typeof(RescaleDocument))]
[JsonSerializable(typeof(ResizeDocument))]
[JsonSerializable(typeof(StackDocument))]
[JsonSerializable(typeof(ConvertDocument))]
[JsonSerializable(typeof(ExtractDocument))]
[JsonSerializable(typeof(UnmergeDocument))]
[JsonSerializable(typeof(DoctorDocument))]
internal sealed partial class ToolJson : JsonSerializerContext;

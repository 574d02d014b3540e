using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace LoraKit.Tool.Render.Json;

/// <summary>Writes the one document of a command.</summary>
internal static class JsonOutput
{
    public static void Write(TextWriter output, ErrorDocument document) => Write(output, document, ToolJson.Readable.ErrorDocument);

    public static void Write(TextWriter output, InspectDocument document) => Write(output, document, ToolJson.Readable.InspectDocument);

    public static void Write(TextWriter output, DiffDocument document) => Write(output, document, ToolJson.Readable.DiffDocument);

    public static void Write(TextWriter output, VerifyDocument document) => Write(output, document, ToolJson.Readable.VerifyDocument);

    public static void Write(TextWriter output, MergeDocument document) => Write(output, document, ToolJson.Readable.MergeDocument);

    public static void Write(TextWriter output, RescaleDocument document) => Write(output, document, ToolJson.Readable.RescaleDocument);

    public static void Write(TextWriter output, ResizeDocument document) => Write(output, document, ToolJson.Readable.ResizeDocument);

    public static void Write(TextWriter output, StackDocument document) => Write(output, document, ToolJson.Readable.StackDocument);

    public static void Write(TextWriter output, ExtractDocument document) => Write(output, document, ToolJson.Readable.ExtractDocument);

    public static void Write(TextWriter output, UnmergeDocument document) => Write(output, document, ToolJson.Readable.UnmergeDocument);

    public static void Write(TextWriter output, DoctorDocument document) => Write(output, document, ToolJson.Readable.DoctorDocument);

    /// <summary>JSON has no NaN and no infinity.</summary>
    public static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    private static void Write<T>(TextWriter output, T document, JsonTypeInfo<T> type) =>
        output.WriteLine(TerminalText.EscapeJson(JsonSerializer.Serialize(document, type)));
}

/// <summary>The documents' shapes, known at build time: no reflection at start-up.</summary>
[JsonSerializable(typeof(ErrorDocument))]
[JsonSerializable(typeof(InspectDocument))]
[JsonSerializable(typeof(DiffDocument))]
[JsonSerializable(typeof(VerifyDocument))]
[JsonSerializable(typeof(MergeDocument))]
[JsonSerializable(typeof(RescaleDocument))]
[JsonSerializable(typeof(ResizeDocument))]
[JsonSerializable(typeof(StackDocument))]
[JsonSerializable(typeof(ExtractDocument))]
[JsonSerializable(typeof(UnmergeDocument))]
[JsonSerializable(typeof(DoctorDocument))]
internal sealed partial class ToolJson : JsonSerializerContext
{
    /// <summary>With quotes and letters of all scripts as they are.</summary>
    public static ToolJson Readable { get; } = new(new JsonSerializerOptions
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
    });
}

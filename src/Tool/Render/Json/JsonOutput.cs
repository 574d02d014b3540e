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

    public static void Write(TextWriter output, VerifyDocument document) => Write(output, document, ToolJson.Readable.VerifyDocument);

    public static void Write(TextWriter output, MergeDocument document) => Write(output, document, ToolJson.Readable.MergeDocument);

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
[JsonSerializable(typeof(VerifyDocument))]
[JsonSerializable(typeof(MergeDocument))]
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

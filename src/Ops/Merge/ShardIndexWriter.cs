using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LoraKit.Ops.Merge;

/// <summary>The index of a sharded output: which tensor lies in which file, and how many bytes all of them have.</summary>
internal static class ShardIndexWriter
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(IReadOnlyList<OutputShard> shards, string? metadata)
    {
        JsonObject values = metadata is null ? [] : (JsonObject)JsonNode.Parse(metadata)!;
        values["total_size"] = shards.Sum(s => s.Tensors.Sum(t => t.Target.ByteLength));
        if (values.ContainsKey("total_parameters"))
        {
            values["total_parameters"] = shards.Sum(s => s.Tensors.Sum(t => t.Target.Shape.ElementCount));
        }

        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Indented))
        {
            json.WriteStartObject();
            json.WritePropertyName("metadata");
            values.WriteTo(json);
            json.WriteStartObject("weight_map");
            foreach ((string name, string file) in shards.SelectMany(s => s.Tensors.Select(t => (t.Target.Name, s.RelativePath)))
                .OrderBy(t => t.Name, StringComparer.Ordinal))
            {
                json.WriteString(name, file);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }
}

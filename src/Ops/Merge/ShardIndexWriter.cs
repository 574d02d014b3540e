using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Ops.Merge;

/// <summary>The index of a sharded output: which tensor lies in which file, and how many bytes all of them have.</summary>
internal static class ShardIndexWriter
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(IReadOnlyList<OutputShard> shards, CheckpointComponent component)
    {
        JsonObject values = component.IndexMetadata is null ? [] : (JsonObject)JsonNode.Parse(component.IndexMetadata)!;
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
            foreach ((string name, string file) in shards.SelectMany(s => s.Tensors.Select(t => (Name: t.Target.Name[component.Prefix.Length..], File: s.RelativePath[component.Folder.Length..])))
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

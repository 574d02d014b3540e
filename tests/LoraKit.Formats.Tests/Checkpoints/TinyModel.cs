using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>Models of a few bytes, written to a folder.</summary>
internal static class TinyModel
{
    /// <summary>A safetensors file of zeros: each tensor is F32 [2, 3], 24 bytes.</summary>
    public static void WriteFile(string path, params string[] tensors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafetensorsHeader header = SafetensorsHeader.Plan(tensors.Select(t => (t, DType.F32, new TensorShape(2, 3))), null);
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        file.Write(new byte[24 * tensors.Length]);
    }

    /// <summary>An index as other tools write it.</summary>
    public static void WriteIndex(string path, long? totalSize, params (string Tensor, string Shard)[] map)
    {
        JsonObject weights = new(map.Select(m => KeyValuePair.Create(m.Tensor, (JsonNode?)m.Shard)));
        JsonObject index = new() { ["metadata"] = totalSize is null ? null : new JsonObject { ["total_size"] = totalSize }, ["weight_map"] = weights };
        File.WriteAllText(path, index.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }

    /// <summary>Two shards (a, b | c) with their index and a configuration.</summary>
    public static void WriteSharded(string folder)
    {
        WriteFile(Path.Combine(folder, "model-00001-of-00002.safetensors"), "a", "b");
        WriteFile(Path.Combine(folder, "model-00002-of-00002.safetensors"), "c");
        WriteIndex(
            Path.Combine(folder, "model.safetensors.index.json"), 72,
            ("a", "model-00001-of-00002.safetensors"), ("b", "model-00001-of-00002.safetensors"), ("c", "model-00002-of-00002.safetensors"));
        File.WriteAllText(Path.Combine(folder, "config.json"), """{"model_type": "tiny"}""");
    }
}

using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Adapter folders on disk, with zeros for values.</summary>
internal static class AdapterFolder
{
    public static void Write(string folder, string? config, params string[] names)
    {
        Directory.CreateDirectory(folder);
        if (config is not null) File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config, new UTF8Encoding(false));
        WriteTensors(Path.Combine(folder, "adapter_model.safetensors"), names.Length > 0 ? names : ["base_model.model.m.q.lora_A.weight", "base_model.model.m.q.lora_B.weight"]);
    }

    /// <summary>Square 8 × 8 tensors in F32.</summary>
    public static void WriteTensors(string path, params string[] names)
    {
        const int length = 8 * 8 * 4;
        JsonObject header = [];
        for (int i = 0; i < names.Length; i++)
        {
            header[names[i]] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray(8, 8),
                ["data_offsets"] = new JsonArray(i * length, (i + 1) * length),
            };
        }

        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] file = new byte[8 + json.Length + (names.Length * length)];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        File.WriteAllBytes(path, file);
    }
}

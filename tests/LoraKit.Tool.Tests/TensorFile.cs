using LoraKit.Tests;

namespace LoraKit.Tool.Tests;

/// <summary>Writes small safetensors files.</summary>
internal static class TensorFile
{
    /// <summary>F32 tensors with given values.</summary>
    public static void Write(
        string path, IReadOnlyDictionary<string, (long[] Shape, float[] Values)> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsBytes.WriteSingles(path, tensors, metadata);

    /// <summary>A PEFT adapter of one module, q_proj [3, 4] at rank 2.</summary>
    public static string WriteAdapter(string folder, string module = "q_proj", float up = 1)
    {
        Write(Path.Combine(folder, "adapter_model.safetensors"), new Dictionary<string, (long[], float[])>
        {
            [$"base_model.model.{module}.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
            [$"base_model.model.{module}.lora_B.weight"] = ([3, 2], [up, up, up, up, up, up]),
        });
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"),
            """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "org/base"}""");
        return folder;
    }

    /// <summary>A model whose one tensor is q_proj.weight [3, 4].</summary>
    public static string WriteBase(string path)
    {
        Write(path, new Dictionary<string, (long[], float[])> { ["q_proj.weight"] = ([3, 4], new float[12]), ["norm.weight"] = ([4], [1, 1, 1, 1]) });
        return path;
    }
}

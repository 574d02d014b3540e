using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>Small safetensors files of F32 tensors.</summary>
internal static class WrittenFile
{
    public static string Create(
        string path, IReadOnlyDictionary<string, (long[] Shape, float[] Values)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        SafetensorsBytes.WriteSingles(path, tensors, metadata);
        return path;
    }

    /// <summary>A PEFT adapter of two modules, <c>one</c> and <c>two</c> [3, 4], at rank 2; B of <c>two</c> as given.</summary>
    public static string CreateAdapter(string folder, params float[] up)
    {
        Create(Path.Combine(folder, "adapter_model.safetensors"), new Dictionary<string, (long[], float[])>
        {
            ["base_model.model.one.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
            ["base_model.model.one.lora_B.weight"] = ([3, 2], [0, 0, 0, 0, 0, 1]),
            ["base_model.model.two.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
            ["base_model.model.two.lora_B.weight"] = ([3, 2], up),
        });
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "b"}""");
        return folder;
    }
}

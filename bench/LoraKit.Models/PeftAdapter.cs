using System.Text.Json;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>An all-linear PEFT adapter in F32 whose update is about 1 % of the weights.</summary>
internal static class PeftAdapter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static void Write(LlamaShape shape, int rank, string folder)
    {
        Directory.CreateDirectory(folder);
        List<RandomTensor> tensors = [];
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            foreach ((string name, int rows, int columns) in shape.Linears(layer))
            {
                // Each element of s·B·A, s = 2, has a deviation of 2·√r·a·b = 0.0002.
                double down = 1 / Math.Sqrt(columns);
                tensors.Add(new($"base_model.model.{name}.lora_A.weight", [rank, columns], down));
                tensors.Add(new($"base_model.model.{name}.lora_B.weight", [rows, rank], 0.0002 / (2 * Math.Sqrt(rank) * down)));
            }
        }

        TensorFile.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors, DType.F32);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), JsonSerializer.Serialize(
            new
            {
                base_model_name_or_path = "lorakit/llama-shaped",
                bias = "none",
                fan_in_fan_out = false,
                lora_alpha = 2 * rank,
                peft_type = "LORA",
                r = rank,
                target_modules = new[] { "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj" },
                task_type = "CAUSAL_LM",
            },
            Indented));
    }
}

using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Adapters;

/// <summary>
/// A PEFT adapter of unlike modules: odd sizes, ranks and alphas by pattern, a rank above a dimension, a zero row, a zero module, kernels, an
/// embedding, a trained bias, a module saved in full.
/// </summary>
internal static class MixedAdapter
{
    public const string Wide = "layers.0.wide", Small = "layers.0.small", Zero = "layers.1.zero", Kernel = "layers.1.conv", Embedding = "embed_tokens";

    /// <summary>Rows of each module's update.</summary>
    public static readonly IReadOnlyDictionary<string, int> Rows = new Dictionary<string, int>
    {
        [Wide] = 37,
        [Small] = 5,
        [Zero] = 12,
        [Kernel] = 9,
        [Embedding] = 41,
    };

    public static string Write(string folder, DType dtype, bool stabilized = false)
    {
        Random random = new(29);
        PeftFolder adapter = new(folder, 6, 15);
        (_, double[] b) = adapter.Linear(Wide, 37, 53, random, dtype);
        b.AsSpan(0, 6).Clear();
        Pair(adapter, Small, dtype, [7, 4], [5, 7], random);
        adapter.Add($"base_model.model.{Zero}.lora_A.weight", dtype, [6, 20], PeftFolder.Values(random, 120, dtype));
        adapter.Add($"base_model.model.{Zero}.lora_B.weight", dtype, [12, 6], new double[72]);
        Pair(adapter, Kernel, dtype, [4, 3, 3, 3], [9, 4, 1, 1], random);
        adapter.Add($"base_model.model.{Embedding}.lora_embedding_A", dtype, [6, 41], PeftFolder.Values(random, 246, dtype));
        adapter.Add($"base_model.model.{Embedding}.lora_embedding_B", dtype, [11, 6], PeftFolder.Values(random, 66, dtype));
        adapter.Add($"base_model.model.{Wide}.lora_B.bias", dtype, [37], PeftFolder.Values(random, 37, dtype));
        adapter.Add($"base_model.model.{Small}.lora_B.bias", dtype, [5], PeftFolder.Values(random, 5, dtype));
        adapter.Add("base_model.model.score.weight", dtype, [2, 11], PeftFolder.Values(random, 22, dtype));
        adapter.Config["rank_pattern"] = new JsonObject { ["small"] = 7, ["conv"] = 4 };
        adapter.Config["alpha_pattern"] = new JsonObject { ["small"] = -3, ["conv"] = 0.5 };
        adapter.Config["lora_bias"] = true;
        adapter.Config["modules_to_save"] = new JsonArray("score");
        adapter.Config["use_rslora"] = stabilized;
        return adapter.Save();
    }

    private static void Pair(PeftFolder adapter, string module, DType dtype, long[] down, long[] up, Random random)
    {
        adapter.Add($"base_model.model.{module}.lora_A.weight", dtype, down, PeftFolder.Values(random, (int)new TensorShape(down).ElementCount, dtype));
        adapter.Add($"base_model.model.{module}.lora_B.weight", dtype, up, PeftFolder.Values(random, (int)new TensorShape(up).ElementCount, dtype));
    }

    public static Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> Tensors(string folder) =>
        SafetensorsBytes.Read(Path.Combine(folder, "adapter_model.safetensors"));
}

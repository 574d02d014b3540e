using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Writes a PEFT adapter for a test, and knows what its updates are.</summary>
internal sealed class PeftFolder(string folder, int rank, double alpha)
{
    private readonly List<TestTensor> _tensors = [];

    public string Path { get; } = folder;

    public double Scale => alpha / rank;

    public JsonObject Config { get; } = new()
    {
        ["peft_type"] = "LORA",
        ["r"] = rank,
        ["lora_alpha"] = alpha,
        ["bias"] = "none",
        ["fan_in_fan_out"] = false,
    };

    /// <summary>Random factors for a module.</summary>
    public (double[] A, double[] B) Linear(string module, int outFeatures, int inFeatures, Random random, DType dtype = DType.F32)
    {
        double[] a = Values(random, rank * inFeatures, dtype);
        double[] b = Values(random, outFeatures * rank, dtype);
        Add($"base_model.model.{module}.lora_A.weight", dtype, [rank, inFeatures], a);
        Add($"base_model.model.{module}.lora_B.weight", dtype, [outFeatures, rank], b);
        return (a, b);
    }

    public void Add(string name, DType dtype, long[] shape, double[] values) => _tensors.Add(new(name, dtype, shape, values));

    /// <summary>A tensor of whole numbers.</summary>
    public void AddBytes(string name, DType dtype, long[] shape, byte[] bytes) => _tensors.Add(new(name, dtype, shape, []) { Raw = bytes });

    public string Save()
    {
        SafetensorsBytes.Write(System.IO.Path.Combine(Path, "adapter_model.safetensors"), _tensors);
        File.WriteAllText(System.IO.Path.Combine(Path, "adapter_config.json"), Config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        return Path;
    }

    /// <summary>Random values that the element type holds exactly.</summary>
    public static double[] Values(Random random, int count, DType dtype)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (random.NextDouble() * 2) - 1;
        }

        byte[] bytes = new byte[count * dtype.Bytes()];
        FloatConvert.FromDoubles(dtype, values, bytes);
        FloatConvert.ToDoubles(dtype, bytes, values);
        return values;
    }
}

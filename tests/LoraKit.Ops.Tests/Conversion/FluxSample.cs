using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>A small adapter of FLUX.1 in sd-scripts' names: one fused weight, one that is swapped, one that is renamed.</summary>
internal sealed class FluxSample
{
    public const string Fused = "lora_unet_double_blocks_0_img_attn_qkv", Swapped = "lora_unet_final_layer_adaLN_modulation_1", Plain = "lora_unet_double_blocks_1_img_mlp_0";

    private readonly List<TestTensor> _tensors = [];
    private readonly Random _random = new(11);

    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>All three modules, q, k and v each with their own columns.</summary>
    public static FluxSample Of(DType type = DType.F32, double size = 1, double? alpha = 2)
    {
        FluxSample sample = new();
        sample.Add(Fused, 24, 8, 6, alpha, type, size, blocks: 3);
        sample.Add(Swapped, 16, 8, 2, alpha, type, size);
        sample.Add(Plain, 32, 8, 4, alpha, type, size);
        return sample;
    }

    public void Add(string module, int rows, int columns, int rank, double? alpha, DType type = DType.F32, double size = 1, int blocks = 1)
    {
        double[] up = [.. Enumerable.Range(0, rows * rank).Select(i => i / rank / (rows / blocks) == i % rank / (rank / blocks) ? Value(size) : 0)];
        _tensors.Add(new($"{module}.lora_down.weight", type, [rank, columns], [.. Enumerable.Range(0, rank * columns).Select(_ => Value(1))]));
        _tensors.Add(new($"{module}.lora_up.weight", type, [rows, rank], up));
        if (alpha is { } stated) _tensors.Add(new($"{module}.alpha", type, [], [stated]));
    }

    public void Add(TestTensor tensor) => _tensors.Add(tensor);

    public void Set(string name, int element, double value) => _tensors.Single(tensor => tensor.Name == name).Values[element] = value;

    public string Save(string path)
    {
        SafetensorsBytes.WriteWith(path, Metadata, _tensors);
        return path;
    }

    // Eighths: every type here holds them.
    private double Value(double size) => size * (_random.Next(1, 17) - 8.5) / 8;
}

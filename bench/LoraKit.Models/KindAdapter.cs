using System.Text.Json;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>All-linear adapters of kinds other than LoRA, F32, small updates: what their merge costs is measured with them, not what they do.</summary>
internal static class KindAdapter
{
    private const int Rank = 16;
    private const int VeraRank = 256;
    private const int Block = 32;
    private const int Circle = 256;
    private const int Frequencies = 1000;

    private static readonly Dictionary<string, Kind> Kinds = new()
    {
        ["lokr"] = new("LOKR", Lokr, new() { ["r"] = Rank, ["alpha"] = Rank }),
        ["lokr-factored"] = new("LOKR", LokrFactored, new() { ["r"] = Rank, ["alpha"] = Rank }),
        ["loha"] = new("LOHA", Loha, new() { ["r"] = Rank, ["alpha"] = Rank }),
        ["dora"] = new("LORA", Dora, new() { ["r"] = Rank, ["lora_alpha"] = 2 * Rank, ["use_dora"] = true }),
        ["ia3"] = new("IA3", Ia3, new() { ["feedforward_modules"] = new[] { "down_proj" } }),
        ["oft"] = new("OFT", Oft, new() { ["r"] = 0, ["oft_block_size"] = Block, ["use_cayley_neumann"] = false }),
        ["boft"] = new("BOFT", Boft, new() { ["boft_block_size"] = 4, ["boft_block_num"] = 0, ["boft_n_butterfly_factor"] = 1 }),
        ["vera"] = new("VERA", Vera, new() { ["r"] = VeraRank, ["save_projection"] = true, ["projection_prng_key"] = 0 }),
        ["fourierft"] = new("FOURIERFT", FourierFt, new() { ["n_frequency"] = Frequencies, ["scaling"] = 150.0, ["random_loc_seed"] = 777 }),
        ["miss"] = new("MISS", Miss, new() { ["r"] = 64, ["mini_r"] = 1 }),
        ["c3a"] = new("C3A", C3a, new() { ["block_size"] = Circle }),
        ["shira"] = new("SHIRA", Shira, new() { ["r"] = Rank }),
        ["diff"] = new(null, (name, rows, columns) => [new($"lycoris_{name.Replace('.', '_')}.diff", [rows, columns], 0.0002)], []),
    };

    /// <summary>What can be written.</summary>
    public static IEnumerable<string> Names => Kinds.Keys;

    public static void Write(LlamaShape shape, string name, string folder)
    {
        Kind kind = Kinds[name];
        Directory.CreateDirectory(folder);
        List<RandomTensor> tensors = [];
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            tensors.AddRange(shape.Linears(layer).SelectMany(m => kind.Tensors(kind.Method is null ? m.Name : $"base_model.model.{m.Name}", m.Out, m.In)));
        }

        if (kind.Method == "VERA")
        {
            tensors.Add(new("base_model.vera_A", [VeraRank, shape.Intermediate], 0.02));
            tensors.Add(new("base_model.vera_B", [shape.Intermediate, VeraRank], 0.02));
        }

        // A full update in F32 would be twice the base.
        TensorFile.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors, kind.Method is null ? DType.BF16 : DType.F32);
        if (kind.Method is null) return;
        Dictionary<string, object> config = new(kind.Settings)
        {
            ["peft_type"] = kind.Method,
            ["peft_version"] = "0.20.1",
            ["target_modules"] = new[] { "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj" },
        };
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), JsonSerializer.Serialize(config));
    }

    private static IEnumerable<RandomTensor> Lokr(string name, int rows, int columns) =>
        [new($"{name}.lokr_w1", [32, 64], 0.01), new($"{name}.lokr_w2", [rows / 32, columns / 64], 0.01)];

    private static IEnumerable<RandomTensor> LokrFactored(string name, int rows, int columns) =>
    [
        new($"{name}.lokr_w1", [4, 4], 0.01),
        new($"{name}.lokr_w2_a", [rows / 4, Rank], 0.05),
        new($"{name}.lokr_w2_b", [Rank, columns / 4], 0.05),
    ];

    private static IEnumerable<RandomTensor> Loha(string name, int rows, int columns) =>
    [
        new($"{name}.hada_w1_a", [rows, Rank], 0.05),
        new($"{name}.hada_w1_b", [Rank, columns], 0.05),
        new($"{name}.hada_w2_a", [rows, Rank], 0.05),
        new($"{name}.hada_w2_b", [Rank, columns], 0.05),
    ];

    private static IEnumerable<RandomTensor> Dora(string name, int rows, int columns)
    {
        double down = 1 / Math.Sqrt(columns), norm = 0.02 * Math.Sqrt(columns);
        return
        [
            new($"{name}.lora_A.weight", [Rank, columns], down),
            new($"{name}.lora_B.weight", [rows, Rank], 0.0002 / (2 * Math.Sqrt(Rank) * down)),
            new($"{name}.lora_magnitude_vector", [rows], 0.01 * norm, norm),
        ];
    }

    private static IEnumerable<RandomTensor> Ia3(string name, int rows, int columns) =>
        [new($"{name}.ia3_l", name.EndsWith("down_proj", StringComparison.Ordinal) ? [1, columns] : [rows, 1], 0.01, 1)];

    private static IEnumerable<RandomTensor> Oft(string name, int rows, int columns) =>
        [new($"{name}.oft_R.weight", [columns / Block, Block * (Block - 1) / 2], 0.001)];

    private static IEnumerable<RandomTensor> Boft(string name, int rows, int columns) =>
        [new($"{name}.boft_R", [1, columns / 4, 4, 4], 0.005), new($"{name}.boft_s", [rows, 1], 0.001, 1)];

    private static IEnumerable<RandomTensor> Vera(string name, int rows, int columns) =>
        [new($"{name}.vera_lambda_b", [rows], 0.1), new($"{name}.vera_lambda_d", [VeraRank], 0.1)];

    private static IEnumerable<RandomTensor> FourierFt(string name, int rows, int columns) => [new($"{name}.fourierft_spectrum", [Frequencies], 1)];

    private static IEnumerable<RandomTensor> Miss(string name, int rows, int columns) => [new($"{name}.miss_block", [64, rows], 0.0002)];

    private static IEnumerable<RandomTensor> C3a(string name, int rows, int columns) => [new($"{name}.c3a_kernel", [rows / Circle, columns / Circle, Circle], 0.2)];

    private static IEnumerable<RandomTensor> Shira(string name, int rows, int columns)
    {
        int count = Rank * (rows + columns);
        return [new($"{name}.shira_weight", [count], 0.001), new($"{name}.shira_indices", [2, count], 0) { Integers = () => Places(rows, columns, count) }];
    }

    /// <summary>Rows, then columns, of distinct places in order: one in each of so many equal stretches.</summary>
    private static int[] Places(int rows, int columns, int count)
    {
        int[] places = new int[2 * count];
        Random random = new(7);
        int stretch = (int)((long)rows * columns / count);
        for (int k = 0; k < count; k++)
        {
            long place = ((long)k * stretch) + random.Next(stretch);
            (places[k], places[count + k]) = ((int)(place / columns), (int)(place % columns));
        }

        return places;
    }

    /// <param name="Method">PEFT's name; null for a file of LyCORIS.</param>
    /// <param name="Tensors">A module's, from its name, rows and columns.</param>
    /// <param name="Settings">What the configuration says besides.</param>
    private sealed record Kind(string? Method, Func<string, int, int, IEnumerable<RandomTensor>> Tensors, Dictionary<string, object> Settings);
}

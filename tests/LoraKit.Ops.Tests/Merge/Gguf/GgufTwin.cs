using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Gguf;

/// <summary>
/// A model twice, in Hugging Face's files and as GGUF. What llama.cpp's converter does to names and rows is written down here by its definition; the GGUF file of a merge is
/// compared as a whole with the one that the converter would make of Hugging Face's merged files.
/// </summary>
internal sealed class GgufTwin(string architecture, string modelType, DType dtype, int seed)
{
    public const int Heads = 4, KeyValueHeads = 2;

    private readonly Random _random = new(seed);
    private readonly List<TestTensor> _tensors = [];
    private readonly List<Stored> _stored = [];

    /// <summary>Elements of the model.</summary>
    public DType DType => dtype;

    /// <summary>Where head counts are said; not, to test what becomes of that.</summary>
    public bool SaysHeads { get; init; } = true;

    /// <summary>A tensor by both names.</summary>
    public GgufTwin Add(string hugging, string gguf, long[] shape, int heads = 0, double plus = 0)
    {
        _tensors.Add(Merging.Random(hugging, dtype, _random, shape));
        _stored.Add(new(gguf, [hugging], shape, heads, plus));
        return this;
    }

    /// <summary>Experts' weights, which GGUF stacks.</summary>
    public GgufTwin AddExperts(Func<int, string> hugging, string gguf, int experts, long rows, long columns)
    {
        string[] names = [.. Enumerable.Range(0, experts).Select(hugging)];
        _tensors.AddRange(names.Select(name => Merging.Random(name, dtype, _random, rows, columns)));
        _stored.Add(new(gguf, names, [experts, rows, columns], 0, 0));
        return this;
    }

    /// <summary>All matrices of a small Llama, with fewer heads for keys than for queries; sizes odd where heads allow it.</summary>
    public static GgufTwin Llama(DType dtype, bool isTied = false, bool saysHeads = true)
    {
        const int words = 11, dim = 37, hidden = 53, head = 6;
        GgufTwin twin = new("llama", "llama", dtype, 3) { SaysHeads = saysHeads };
        twin.Add("model.embed_tokens.weight", "token_embd.weight", [words, dim]);
        if (!isTied) twin.Add("lm_head.weight", "output.weight", [words, dim]);
        return twin.Add("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", [Heads * head, dim], Heads)
            .Add("model.layers.0.self_attn.q_proj.bias", "blk.0.attn_q.bias", [Heads * head], Heads)
            .Add("model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", [KeyValueHeads * head, dim], KeyValueHeads)
            .Add("model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", [KeyValueHeads * head, dim])
            .Add("model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight", [dim, Heads * head])
            .Add("model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight", [hidden, dim])
            .Add("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight", [dim, hidden])
            .Add("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight", [dim])
            .Add("model.norm.weight", "output_norm.weight", [dim]);
    }

    /// <summary>A tensor's shape in Hugging Face's files.</summary>
    public int[] Shape(string hugging) => [.. _tensors.Single(t => t.Name == hugging).Shape.Select(size => (int)size)];

    /// <summary>A tensor's values in Hugging Face's files.</summary>
    public double[] Values(string hugging) => _tensors.Single(t => t.Name == hugging).Values;

    public void Write(TempFolder temp)
    {
        SafetensorsBytes.Write(temp["hf", "model.safetensors"], _tensors);
        File.WriteAllText(temp["hf", "config.json"], $$"""{"model_type": "{{modelType}}", "num_attention_heads": {{Heads}}, "num_key_value_heads": {{KeyValueHeads}}}""");
        File.WriteAllBytes(temp["base.gguf"], Gguf(_tensors.ToDictionary(t => t.Name, t => t.Values)));
    }

    /// <summary>The GGUF file of a model in Hugging Face's names: tensors in an order of its own, one of them of a type that nobody reads, padding by an alignment of its own.</summary>
    public byte[] Gguf(IReadOnlyDictionary<string, double[]> hugging)
    {
        GgufBytes file = new GgufBytes { Alignment = 64 }.Key("general.architecture", architecture).Key("general.alignment", 64u).Key("x.y", 1.5f);
        if (SaysHeads) file.Key($"{architecture}.attention.head_count", Heads).Key($"{architecture}.attention.head_count_kv", KeyValueHeads);
        byte[] blocks = new byte[3 * 144];
        new Random(9).NextBytes(blocks);
        file.Tensor("blk.0.other.weight", [256, 3], 12, blocks); // Q4_K
        foreach (Stored stored in _stored.AsEnumerable().Reverse())
        {
            double[] values = [.. stored.Hugging.SelectMany(name => hugging[name]).Select(value => value + stored.Plus)];
            if (stored.Heads > 0) values = Permute(values, stored.Heads, values.Length / (int)stored.Shape[0]);
            uint type = dtype switch { DType.F32 => 0, DType.F16 => 1, DType.BF16 => 30, _ => throw new ArgumentException(dtype.FileName()) };
            file.Tensor(stored.Gguf, [.. stored.Shape.Reverse()], type, new TestTensor("", dtype, stored.Shape, values).Bytes());
        }

        return file.ToArray();
    }

    /// <summary>Merges into both, and requires that the GGUF file is the converted other one, to the last bit.</summary>
    public byte[] RequireSameMerge(TempFolder temp, Func<string, MergeOptions> into, ICompute? compute = null)
    {
        byte[] before = File.ReadAllBytes(temp["base.gguf"]);
        Merging.Run(into(temp["hf"]) with { Output = temp["hf-out"] }, compute);
        Merging.Run(into(temp["base.gguf"]) with { Output = temp["out.gguf"] }, compute);
        Assert.Equal(before, File.ReadAllBytes(temp["base.gguf"]));
        var merged = SafetensorsBytes.Read(temp["hf-out", "model.safetensors"]);
        byte[] expected = Gguf(merged.ToDictionary(t => t.Key, t => t.Value.Values)), found = File.ReadAllBytes(temp["out.gguf"]);
        Assert.False(before.AsSpan().SequenceEqual(found));
        Assert.True(expected.AsSpan().SequenceEqual(found), $"differs first at byte {expected.AsSpan().CommonPrefixLength(found)} of {expected.Length}; there are {found.Length}");
        return found;
    }

    /// <summary>LlamaModel.permute: reshape(heads, 2, rows / heads / 2, columns).swapaxes(1, 2).</summary>
    public static double[] Permute(double[] values, int heads, int columns)
    {
        int half = values.Length / columns / heads / 2;
        double[] result = new double[values.Length];
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < half; j++)
                    values.AsSpan((((h * 2) + i) * half + j) * columns, columns).CopyTo(result.AsSpan((((h * half) + j) * 2 + i) * columns));
        return result;
    }

    private sealed record Stored(string Gguf, string[] Hugging, long[] Shape, int Heads, double Plus);
}

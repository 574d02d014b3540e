using System.Text.Json;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>A Llama-shaped base in BF16: weights as after training, N(0, 0.02²).</summary>
internal static class BaseModel
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static void Write(LlamaShape shape, string folder)
    {
        Directory.CreateDirectory(folder);
        (string Name, long[] Shape)[] tensors = [.. shape.Tensors()];
        long total = tensors.Sum(t => Bytes(t.Shape));
        List<RandomTensor>[] shards = [.. Enumerable.Range(0, shape.Shards).Select(_ => new List<RandomTensor>())];
        SortedDictionary<string, string> map = new(StringComparer.Ordinal);
        long before = 0;
        foreach ((string name, long[] sizes) in tensors)
        {
            int shard = (int)Math.Min(before * shape.Shards / total, shape.Shards - 1);
            shards[shard].Add(new(name, sizes, 0.02));
            map[name] = FileName(shard, shape.Shards);
            before += Bytes(sizes);
        }

        for (int i = 0; i < shards.Length; i++)
        {
            TensorFile.Write(Path.Combine(folder, FileName(i, shards.Length)), shards[i], DType.BF16);
        }

        File.WriteAllText(
            Path.Combine(folder, "model.safetensors.index.json"),
            JsonSerializer.Serialize(new { metadata = new { total_size = total }, weight_map = map }, Indented));
        File.WriteAllText(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(
            new
            {
                architectures = new[] { "LlamaForCausalLM" },
                hidden_size = shape.Hidden,
                intermediate_size = shape.Intermediate,
                model_type = "llama",
                num_attention_heads = shape.Hidden / 64,
                num_hidden_layers = shape.Layers,
                num_key_value_heads = Math.Max(1, shape.KeyValue / 64),
                tie_word_embeddings = false,
                torch_dtype = "bfloat16",
                vocab_size = shape.Vocabulary,
            },
            Indented));
    }

    private static long Bytes(long[] shape) => shape.Aggregate(1L, (a, b) => a * b) * 2;

    private static string FileName(int shard, int count) => $"model-{shard + 1:D5}-of-{count:D5}.safetensors";
}

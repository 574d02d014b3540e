namespace LoraKit.Models;

/// <summary>The sizes of a Llama-shaped model.</summary>
internal sealed record LlamaShape(int Hidden, int Intermediate, int KeyValue, int Layers, int Vocabulary, int Shards)
{
    public static LlamaShape Named(string name) => name switch
    {
        "tiny" => new(64, 176, 32, 2, 320, 2),
        "1b" => new(2048, 5632, 256, 22, 32000, 2),
        "4b" => new(4096, 11008, 4096, 18, 32000, 4),
        _ => throw new ArgumentException($"model '{name}' is not one of tiny, 1b, 4b"),
    };

    /// <summary>The linear layers of one block: name, rows (out) and columns (in).</summary>
    public IEnumerable<(string Name, int Out, int In)> Linears(int layer)
    {
        string prefix = $"model.layers.{layer}.";
        yield return ($"{prefix}self_attn.q_proj", Hidden, Hidden);
        yield return ($"{prefix}self_attn.k_proj", KeyValue, Hidden);
        yield return ($"{prefix}self_attn.v_proj", KeyValue, Hidden);
        yield return ($"{prefix}self_attn.o_proj", Hidden, Hidden);
        yield return ($"{prefix}mlp.gate_proj", Intermediate, Hidden);
        yield return ($"{prefix}mlp.up_proj", Intermediate, Hidden);
        yield return ($"{prefix}mlp.down_proj", Hidden, Intermediate);
    }

    /// <summary>Every tensor in the order in which the model defines it.</summary>
    public IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
        for (int layer = 0; layer < Layers; layer++)
        {
            foreach ((string name, int rows, int columns) in Linears(layer))
            {
                yield return ($"{name}.weight", [rows, columns]);
            }

            yield return ($"model.layers.{layer}.input_layernorm.weight", [Hidden]);
            yield return ($"model.layers.{layer}.post_attention_layernorm.weight", [Hidden]);
        }

        yield return ("model.norm.weight", [Hidden]);
        yield return ("lm_head.weight", [Vocabulary, Hidden]);
    }
}

using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>llama.cpp's names of factors: <c>blk.0.attn_q.weight.lora_a</c>. See spec/layouts/gguf.md, "Keys".</summary>
internal static class GgufKey
{
    public const string Embedding = "token_embd";
    public const string Output = "output";

    private const string Down = ".weight.lora_a";
    private const string Up = ".weight.lora_b";
    private const string Norm = "_norm.weight";

    /// <summary>Takes a name apart; the module is GGUF's name of it.</summary>
    public static FactorKey Parse(TensorInfo tensor) =>
        tensor.Name.EndsWith(Down, StringComparison.Ordinal) ? new(tensor, FactorRole.Down, new(tensor.Name[..^Down.Length]))
        : tensor.Name.EndsWith(Up, StringComparison.Ordinal) ? new(tensor, FactorRole.Up, new(tensor.Name[..^Up.Length]))
        : new(tensor, FactorRole.Unknown, new(tensor.Name));

    /// <summary>Whether llama.cpp passes over a tensor.</summary>
    public static bool IsIgnored(string name) => name.EndsWith(Norm, StringComparison.Ordinal);

    /// <summary>The names of a module's factors.</summary>
    public static (string A, string B) Names(string place) => (place + Down, place + Up);
}

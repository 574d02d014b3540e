using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>MLX's names: <c>model.layers.0.self_attn.q_proj.lora_a</c>. See spec/layouts/mlx.md, "Keys".</summary>
internal static class MlxKey
{
    public const string Down = ".lora_a";
    public const string Up = ".lora_b";

    public const string Magnitude = ".m";

    private const string Switch = ".switch_mlp.";
    private const string Experts = ".experts";

    // The names that mlx-lm's models give to nn.Embedding; nothing in the file tells.
    private static readonly HashSet<string> Embeddings =
        new(["embed_tokens", "wte", "wpe", "word_embeddings", "tok_embeddings", "embed_in", "embeddings", "tok_embed"], StringComparer.Ordinal);

    /// <summary>Takes a name apart.</summary>
    public static FactorKey Parse(TensorInfo tensor) =>
        Module(tensor.Name, Down) is { } ofDown ? new(tensor, FactorRole.Down, ofDown)
        : Module(tensor.Name, Up) is { } ofUp ? new(tensor, FactorRole.Up, ofUp)
        : Module(tensor.Name, Magnitude) is { } ofMagnitude ? new(tensor, FactorRole.Magnitude, ofMagnitude)
        : new(tensor, FactorRole.Unknown, new(tensor.Name));

    /// <summary>Whether a module is an embedding, whose factors lie the other way round.</summary>
    public static bool IsEmbedding(ModuleName module) => Embeddings.Contains(module.Leaf);

    /// <summary>
    /// What a stack of experts is called: mlx-lm's <c>X.switch_mlp.up_proj</c> is <c>X.experts.up_proj</c> of the models that it comes from. Under other names it is its module's weight.
    /// </summary>
    public static ParameterName StackOf(ModuleName module)
    {
        int at = module.Path.LastIndexOf(Switch, StringComparison.Ordinal);
        return at > 0 && module.Path.IndexOf('.', at + Switch.Length) < 0
            ? new(new(module.Path[..at] + Experts), module.Leaf)
            : new(module, "weight");
    }

    /// <summary>The module's name in the file.</summary>
    public static string NameOf(AdapterDelta delta) => delta is ExpertsDelta { Target: { Parameter: not "weight", Module.Path: var path } target } && path.EndsWith(Experts, StringComparison.Ordinal)
        ? path[..^Experts.Length] + Switch + target.Parameter
        : delta.Target.Module.Path;

    private static ModuleName? Module(string name, string ending) =>
        name.Length > ending.Length && name.EndsWith(ending, StringComparison.Ordinal) ? new(name[..^ending.Length]) : null;
}

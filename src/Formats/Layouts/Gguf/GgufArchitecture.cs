using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>
/// The names of one architecture, Hugging Face's and GGUF's; <c>#</c> is a layer, and behind it an expert. Source: gguf-py's tensor_mapping.py. See
/// spec/layouts/gguf.md, "Names".
/// </summary>
/// <param name="Name">As <c>general.architecture</c> has it.</param>
/// <param name="ModelTypes">The <c>model_type</c>s of config.json that are it.</param>
/// <param name="Modules">Both names of each module.</param>
internal sealed record GgufArchitecture(string Name, IReadOnlyList<string> ModelTypes, IReadOnlyList<(string Hugging, string Gguf)> Modules)
{
    private const string Layer = "model.layers.#.";
    private const string Block = "blk.#.";

    private static readonly (string, string)[] Embedding = [("model.embed_tokens", GgufKey.Embedding)];
    private static readonly (string, string)[] Ends = [.. Embedding, ("lm_head", GgufKey.Output)];

    private static readonly (string, string)[] Attention =
        In(("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"));

    private static readonly (string, string)[] Mlp = In(("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"));

    private static readonly (string, string)[] Mixtral = In(
        ("block_sparse_moe.gate", "ffn_gate_inp"), ("block_sparse_moe.experts.#.w1", "ffn_gate_exps"), ("block_sparse_moe.experts.#.w3", "ffn_up_exps"),
        ("block_sparse_moe.experts.#.w2", "ffn_down_exps"));

    private static readonly (string, string)[] QwenMoe = In(
        ("mlp.gate", "ffn_gate_inp"), ("mlp.experts.#.gate_proj", "ffn_gate_exps"), ("mlp.experts.#.up_proj", "ffn_up_exps"), ("mlp.experts.#.down_proj", "ffn_down_exps"));

    private static readonly (string, string)[] QwenShared = In(
        ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"), ("mlp.shared_expert.up_proj", "ffn_up_shexp"), ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
        ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"));

    private static readonly (string, string)[] Norms = [("model.norm", "output_norm"), .. In(("input_layernorm", "attn_norm"))];
    private static readonly (string, string)[] TwoNorms = [.. Norms, .. In(("post_attention_layernorm", "ffn_norm"))];
    private static readonly (string, string)[] HeadNorms = In(("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm"));

    private static readonly (string, string)[] FourNorms =
    [
        .. Norms, .. In(("post_attention_layernorm", "post_attention_norm"), ("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm")),
    ];

    private readonly Dictionary<string, string> _toGguf = Modules.ToDictionary(module => module.Hugging, module => module.Gguf);
    private readonly Dictionary<string, string> _toHugging = Modules.ToDictionary(module => module.Gguf, module => module.Hugging);
    private readonly Dictionary<string, string> _normsToGguf = [];

    /// <summary>Every architecture whose names are known.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } =
    [
        new("llama", ["llama", "mistral", "mixtral"], [.. Ends, .. Attention, .. Mlp, .. Mixtral]) { InterleavesHeads = true, NormNames = TwoNorms },
        new("qwen2", ["qwen2"], [.. Ends, .. Attention, .. Mlp]) { NormNames = TwoNorms },
        new("qwen2moe", ["qwen2_moe"], [.. Ends, .. Attention, .. Mlp, .. QwenMoe, .. QwenShared]) { NormNames = TwoNorms },
        new("qwen3", ["qwen3"], [.. Ends, .. Attention, .. Mlp]) { NormNames = [.. TwoNorms, .. HeadNorms] },
        new("qwen3moe", ["qwen3_moe"], [.. Ends, .. Attention, .. Mlp, .. QwenMoe]) { NormNames = [.. TwoNorms, .. HeadNorms] },
        // Gemma's output is its embedding, and no tensor of its own.
        new("gemma", ["gemma"], [.. Embedding, .. Attention, .. Mlp]) { NormNames = TwoNorms, AddsOneToNorms = true },
        new("gemma2", ["gemma2"], [.. Embedding, .. Attention, .. Mlp]) { NormNames = FourNorms, AddsOneToNorms = true },
        new("gemma3", ["gemma3", "gemma3_text"], [.. Embedding, .. Attention, .. Mlp]) { NormNames = [.. FourNorms, .. HeadNorms], AddsOneToNorms = true },
        new("phi2", ["phi"],
        [
            .. Ends, .. Attention[..3], .. In(("self_attn.dense", "attn_output"), ("mlp.fc1", "ffn_up"), ("mlp.fc2", "ffn_down")),
        ]) { NormNames = [("model.final_layernorm", "output_norm"), .. Norms[1..]] },
        new("phi3", ["phi3"],
        [
            .. Ends, .. In(("self_attn.qkv_proj", "attn_qkv"), ("self_attn.o_proj", "attn_output"), ("mlp.gate_up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down")),
        ]) { NormNames = TwoNorms },
        new("phimoe", ["phimoe"], [.. Ends, .. Attention, .. Mixtral]) { NormNames = TwoNorms },
        new("gpt-oss", ["gpt_oss"], [.. Ends, .. Attention, .. In(("mlp.router", "ffn_gate_inp"))])
        {
            NormNames = [.. Norms, .. In(("post_attention_layernorm", "post_attention_norm"))],
        },
    ];

    /// <summary>Whether the rows of queries and keys are in another order than Hugging Face's: <see cref="HeadRows"/>.</summary>
    public bool InterleavesHeads { get; private init; }

    /// <summary>Both names of each norm; they are a model's, and in no adapter that llama.cpp reads.</summary>
    private IReadOnlyList<(string Hugging, string Gguf)> NormNames
    {
        init => _normsToGguf = value.ToDictionary(norm => norm.Hugging, norm => norm.Gguf);
    }

    /// <summary>Whether norms are stored with the 1 that Hugging Face's module adds to its weight.</summary>
    public bool AddsOneToNorms { get; private init; }

    /// <summary>All their names, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(architecture => architecture.Name));

    /// <exception cref="UnsupportedException">There is no such name.</exception>
    public static GgufArchitecture? Named(string? name) => All.FirstOrDefault(architecture => architecture.Name == name);

    /// <summary>The name of the architecture that a <c>model_type</c> is; null where it is none of them.</summary>
    public static string? OfModelType(string type) => All.FirstOrDefault(architecture => architecture.ModelTypes.Contains(type))?.Name;

    /// <summary>GGUF's name of a module, and which expert of it; null where it has none.</summary>
    public GgufPlace? ToGguf(string module) => Place(_toGguf, module) is var (name, numbers)
        ? new(NamePattern.Fill(name, numbers), numbers.Count > 1 ? int.Parse(numbers[1], System.Globalization.CultureInfo.InvariantCulture) : null)
        : null;

    /// <summary>GGUF's name of a norm; null where it has none.</summary>
    public string? ToGgufNorm(string module) => Place(_normsToGguf, module) is var (name, numbers) ? NamePattern.Fill(name, numbers) : null;

    /// <summary>Hugging Face's name of a module, or of each expert of a stack; null where it has none.</summary>
    /// <param name="place">GGUF's name, without <c>.weight</c>; the expert is left open.</param>
    public Func<int, string>? ToHugging(string place) => Place(_toHugging, place) is var (name, numbers)
        ? expert => NamePattern.Fill(name, [.. numbers, expert.ToString(System.Globalization.CultureInfo.InvariantCulture)])
        : null;

    /// <summary>Whether GGUF's name is that of a stack of experts.</summary>
    public static bool IsStack(string place) => place.EndsWith("_exps", StringComparison.Ordinal);

    private static (string Pattern, IReadOnlyList<string> Numbers)? Place(Dictionary<string, string> map, string name)
    {
        string key = NamePattern.Key(name, '.');
        return map.TryGetValue(key, out string? other) && NamePattern.Match(key, name, '.') is { } numbers ? (other, numbers) : null;
    }

    private static (string, string)[] In(params (string Hugging, string Gguf)[] modules) => [.. modules.Select(module => (Layer + module.Hugging, Block + module.Gguf))];
}

/// <summary>Where GGUF keeps a module's weight.</summary>
/// <param name="Name">The tensor's name, without <c>.weight</c>.</param>
/// <param name="Expert">Which of the stack it is; null where it is no stack.</param>
internal readonly record struct GgufPlace(string Name, int? Expert);

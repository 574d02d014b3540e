using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>A tensor's name, taken apart: everything before the ending is the module, as it stands.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Role">What it is.</param>
/// <param name="Module">The module, in the file's own spelling.</param>
/// <param name="Note">For refused tensors: what they belong to.</param>
internal sealed record KohyaKey(TensorInfo Tensor, KohyaRole Role, ModuleName Module, string? Note = null)
{
    public const string Down = ".lora_down.weight";
    public const string Up = ".lora_up.weight";
    public const string Mid = ".lora_mid.weight";
    public const string Alpha = ".alpha";

    private const string Bundle = "bundle_emb.";
    private const string Dora = "DoRA (dora_scale), which needs the base's weights: merge it into the base with a tool that reads it, then extract";

    private static readonly (string Ending, KohyaRole Role, string? Note)[] Endings =
    [
        (Down, KohyaRole.Down, null), (Up, KohyaRole.Up, null), (Mid, KohyaRole.Mid, null), (Alpha, KohyaRole.Alpha, null),
        (".dora_scale", KohyaRole.Refused, Dora),
        .. Refused("LoHa", ".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".hada_t1", ".hada_t2"),
        .. Refused("LoKr", ".lokr_w1", ".lokr_w1_a", ".lokr_w1_b", ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t1", ".lokr_t2"),
        .. Refused("OFT", ".oft_blocks", ".oft_diag"),
        .. Refused("GLoRA", ".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight", ".bm.weight"),
        .. Refused("IA3", ".on_input"),
        .. Refused("a full difference", ".diff", ".diff_b"),
        .. Refused("the difference of a norm", ".w_norm", ".b_norm"),
        .. Refused("ComfyUI's replacement of a weight", ".set_weight", ".reshape_weight"),
        .. Refused("LyCORIS' sparse residual", ".bias_indices", ".bias_values", ".bias_size"),
        .. Refused("PEFT's factors beside kohya's", ".lora_A.weight", ".lora_B.weight"),
    ];

    /// <summary>Takes a name apart.</summary>
    public static KohyaKey Parse(TensorInfo tensor)
    {
        string name = tensor.Name;
        if (name.StartsWith(Bundle, StringComparison.Ordinal)) return new(tensor, KohyaRole.Refused, new(name), "embeddings packed into the file (bundle_emb)");
        foreach ((string ending, KohyaRole role, string? note) in Endings)
        {
            if (name.Length > ending.Length && name.EndsWith(ending, StringComparison.Ordinal)) return new(tensor, role, new(name[..^ending.Length]), note);
        }

        return new(tensor, KohyaRole.Unknown, new(name));
    }

    private static IEnumerable<(string Ending, KohyaRole Role, string? Note)> Refused(string kind, params string[] endings) =>
        endings.Select(ending => (ending, KohyaRole.Refused, (string?)$"{kind} ({ending[1..]}), which is not read yet"));
}

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Formats.Layouts;

/// <summary>What an adapter's files leave open, or say wrongly, and the user knows. All defaults follow the files.</summary>
public sealed record AdapterReadOptions
{
    /// <summary>What is assumed where nothing else is said.</summary>
    public static AdapterReadOptions Default { get; } = new();

    /// <summary>How often the update of a MultiheadAttention's output projection is added.</summary>
    public AttentionOutput AttentionOutput { get; init; }

    /// <summary>How the columns of B belong to experts in a LoRA on a stack of expert weights.</summary>
    public ExpertColumns ExpertColumns { get; init; }

    /// <summary>Which norm a DoRA magnitude is divided by.</summary>
    public DoraNorm DoraNorm { get; init; }

    /// <summary>How often alpha / rank multiplies LyCORIS' LoHa and LoKr.</summary>
    public LycorisScale LycorisScale { get; init; }

    /// <summary>What is known of the base: GGUF's rows of queries and keys are in an order of its heads. Null where nothing is.</summary>
    public BaseFacts? Base { get; init; }
}

/// <summary>PEFT 0.15 to 0.20 adds the update of <c>out_proj</c> in nn.MultiheadAttention twice, in training too.</summary>
public enum AttentionOutput : byte
{
    /// <summary>As the version of PEFT that wrote the file.</summary>
    OfVersion,

    /// <summary>Once.</summary>
    Once,

    /// <summary>Twice.</summary>
    Twice,
}

/// <summary>The order of B's columns [out, r·E] in LoRA on a stack of E expert weights.</summary>
public enum ExpertColumns : byte
{
    /// <summary>Column j·E + e is expert e's j-th: PEFT.</summary>
    RankMajor,

    /// <summary>Column e·r + j is expert e's j-th: unsloth.</summary>
    ExpertMajor,
}

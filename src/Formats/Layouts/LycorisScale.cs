namespace LoraKit.Formats.Layouts;

/// <summary>
/// How often alpha / rank multiplies the update of LyCORIS' LoHa and LoKr. LyCORIS trains with it once, as every other program applies it; its own merge
/// (3.x, <c>get_diff_weight</c>) multiplies twice.
/// </summary>
public enum LycorisScale : byte
{
    /// <summary>Twice for names that begin with <c>lycoris_</c>, which LyCORIS alone merges; once for all others.</summary>
    OfNames,

    /// <summary>Once: training, ComfyUI, A1111.</summary>
    Once,

    /// <summary>Twice: LyCORIS' merge.</summary>
    Twice,
}

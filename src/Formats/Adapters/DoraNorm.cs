namespace LoraKit.Formats.Adapters;

/// <summary>The norm that a DoRA magnitude is divided by.</summary>
public enum DoraNorm : byte
{
    /// <summary>Of W + ΔW: the paper, PEFT, LyCORIS.</summary>
    Updated,

    /// <summary>Of W: ComfyUI, for magnitudes by output.</summary>
    Base,
}

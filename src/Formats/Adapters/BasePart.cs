namespace LoraKit.Formats.Adapters;

/// <summary>What an initialisation of LoRA takes out of the base's weight before training.</summary>
public enum BasePart : byte
{
    /// <summary>PiSSA: of the singular value decomposition the r largest values, Σ σᵢ·uᵢ·vᵢᵀ.</summary>
    Largest,

    /// <summary>KaSA: of the singular value decomposition the r smallest values.</summary>
    Smallest,

    /// <summary>OLoRA: s·Q[:, :r]·R[:r] of W = Q·R, which is s times W projected on its first r columns.</summary>
    FirstColumns,
}

using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Resize;

/// <summary>Which of the new factors carries the singular values.</summary>
public enum FactorBalance : byte
{
    /// <summary>B = U·σ, A = Vᵀ: as sd-scripts and PEFT do.</summary>
    B,

    /// <summary>B = U·√σ, A = √σ·Vᵀ: for 16-bit storage, where small values lose digits.</summary>
    Sqrt,

    /// <summary>B = U, A = σ·Vᵀ.</summary>
    A,
}

/// <summary>Which adapter to resize, and how.</summary>
public sealed record ResizeOptions
{
    /// <summary>A folder or a file.</summary>
    public required string Adapter { get; init; }

    /// <summary>Where and how the result is written. Computed factors are F32 (F64 of F64) unless another type is asked for.</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>How ranks are chosen.</summary>
    public required RankPolicy Policy { get; init; }

    /// <summary>No module gets more; null is no bound. Not with a fixed rank.</summary>
    public int? MaxRank { get; init; }

    /// <summary>No module gets fewer, as far as it has that many. Not with a fixed rank.</summary>
    public int? MinRank { get; init; }

    /// <summary>For modules with a kernel (also of 1 × 1): the rank where that is fixed, else the most they get; null treats them as all others.</summary>
    public int? ConvRank { get; init; }

    /// <summary>Which of the new factors carries the singular values.</summary>
    public FactorBalance Balance { get; init; }

    /// <summary>How many threads compute; 0 takes one per processor.</summary>
    public int Threads { get; init; }
}

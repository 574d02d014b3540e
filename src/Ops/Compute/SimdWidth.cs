namespace LoraKit.Ops.Compute;

/// <summary>How wide the managed kernels compute. Every width gives the same bytes.</summary>
public enum SimdWidth
{
    /// <summary>One element at a time; runs everywhere.</summary>
    Scalar,

    /// <summary>256 bits: AVX2 and FMA.</summary>
    V256,

    /// <summary>512 bits: AVX-512 (F, BW, CD, DQ, VL).</summary>
    V512,
}

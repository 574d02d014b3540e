using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>ΔW = Scale · Up · Down exactly, in real numbers.</summary>
/// <param name="Down">A: [r, in, …kernel].</param>
/// <param name="Up">B: [out, r] or [out, r, 1, …].</param>
/// <param name="Scale">The multiplier.</param>
public sealed record LowRankFactors(TensorValue Down, TensorValue Up, double Scale);

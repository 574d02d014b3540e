namespace LoraKit.Formats.Adapters;

/// <summary>Some outputs of one expert's update.</summary>
/// <param name="Expert">Which expert.</param>
/// <param name="FirstOutput">The first output.</param>
/// <param name="Outputs">How many.</param>
/// <param name="Turned">Whether the factors are those of ΔWᵀ: the file takes the expert's weight for [in, out].</param>
public sealed record ExpertPart(long Expert, long FirstOutput, long Outputs, bool Turned);

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>The rank, alpha and scale of one module.</summary>
/// <param name="Rank">r, above 0.</param>
/// <param name="Alpha">lora_alpha.</param>
/// <param name="Scale">α/r, or α/√r with rsLoRA.</param>
/// <param name="RankOrigin">Where the rank came from, for messages.</param>
internal readonly record struct ModuleScale(long Rank, double Alpha, double Scale, string RankOrigin);

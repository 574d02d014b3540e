namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>The one list of architectures, the commoner before the rarer.</summary>
internal static class ArchitectureList
{
    public static IReadOnlyList<Architecture> All { get; } =
    [
        StableDiffusion.V1, StableDiffusion.Xl, Flux.Flux1, StableDiffusion.V2, Flux.Chroma,
    ];
}

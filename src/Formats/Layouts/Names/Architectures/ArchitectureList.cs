namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>The one list of architectures, the commoner before the rarer.</summary>
internal static class ArchitectureList
{
    public static IReadOnlyList<Architecture> All { get; } =
    [
        StableDiffusion.V1, StableDiffusion.Xl, Flux.Flux1, WanVideo.Wan, QwenImage.Qwen, ZImage.Z, StableDiffusion3.V3, StableDiffusion.V2, Flux.Chroma, Flux2.Flux, Hunyuan.Video,
        Lumina.V2, Hunyuan.Image, LtxVideo.Video, LtxVideo.AudioVideo, HiDream.I1, Cosmos.Anima, Krea.V2, PixArt.Alpha, AuraFlow.Aura, Cosmos.Predict2,
    ];
}

namespace LoraKit.Torch.Loading;

/// <summary>The versions that belong together; a test holds them to the packages that are referenced.</summary>
internal static class TorchVersions
{
    /// <summary>The libtorch that TorchSharp's natives were built for.</summary>
    public const string LibTorch = "2.10.0";

    /// <summary>The TorchSharp that this library was built with.</summary>
    public const string TorchSharp = "0.107.0";
}

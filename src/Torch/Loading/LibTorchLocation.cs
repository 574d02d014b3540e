namespace LoraKit.Torch.Loading;

/// <summary>One directory with libtorch in it, and the TorchSharp library that goes with it.</summary>
/// <param name="Directory">Where all of libtorch's libraries are loaded from.</param>
/// <param name="Origin">Why this directory: the option, the variable, the application, the packages folder.</param>
/// <param name="TorchSharpLibrary">The full path of TorchSharp's native library.</param>
/// <param name="Version">What the files beside it say of its version; null where they say nothing.</param>
/// <param name="HasCuda">Whether libtorch's CUDA library lies there.</param>
internal sealed record LibTorchLocation(string Directory, string Origin, string TorchSharpLibrary, string? Version, bool HasCuda);

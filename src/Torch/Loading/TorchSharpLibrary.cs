using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Torch.Elf;

namespace LoraKit.Torch.Loading;

/// <summary>Loads TorchSharp's own native library, over a libtorch that is loaded already.</summary>
internal static class TorchSharpLibrary
{
    /// <summary>What TorchSharp calls it.</summary>
    public const string Name = "LibTorchSharp";

    /// <summary>
    /// The version of the C++ library that it asks for and that older systems lack. It needs nothing of it: the one symbol is a marker
    /// (<c>std::ios_base_library_init</c>) that nothing calls.
    /// </summary>
    public const string MarkerVersion = "GLIBCXX_3.4.32";

    /// <summary>Loads it as it is, or mended where the system's C++ library is too old for the marker.</summary>
    /// <exception cref="BackendUnavailableException">It does not load.</exception>
    public static (nint Handle, bool Mended) Load(LibTorchLocation location)
    {
        try
        {
            return OperatingSystem.IsLinux() ? LoadOnLinux(location.TorchSharpLibrary) : (NativeLibrary.Load(location.TorchSharpLibrary), false);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
        {
            string version = location.Version ?? "of unknown version";
            throw new BackendUnavailableException(
                location.Version == TorchVersions.LibTorch
                    ? $"'{location.TorchSharpLibrary}' does not load over libtorch {version} of '{location.Directory}': {LoaderMessage.Of(e)}"
                    : $"libtorch {version} was found in '{location.Directory}' ({location.Origin}), but TorchSharp {TorchVersions.TorchSharp} wants {TorchVersions.LibTorch}"
                        + $" and does not load over this one: {LoaderMessage.Of(e)}",
                e);
        }
    }

    private static (nint Handle, bool Mended) LoadOnLinux(string path)
    {
        try
        {
            return (DynamicLinker.Load(path), false);
        }
        catch (DllNotFoundException e) when (e.Message.Contains(MarkerVersion, StringComparison.Ordinal))
        {
            byte[]? mended = VersionNeeds.MakeWeak(File.ReadAllBytes(path), System.Text.Encoding.ASCII.GetBytes(MarkerVersion), path);
            if (mended is null) throw;
            return (DynamicLinker.Load(mended, Path.GetFileName(path)), true);
        }
    }
}

using System.Runtime.InteropServices;

namespace LoraKit.Torch.Loading;

/// <summary>How one system spells its native libraries.</summary>
/// <param name="RuntimeIdentifier">As NuGet writes it: <c>linux-x64</c>.</param>
/// <param name="Prefix">Before a library's name.</param>
/// <param name="Suffix">After it.</param>
internal sealed record NativeNames(string RuntimeIdentifier, string Prefix, string Suffix)
{
    /// <summary>The systems that TorchSharp has natives for.</summary>
    private static readonly string[] Supported = ["linux-x64", "win-x64", "osx-arm64"];

    /// <summary>Of the system this process runs on.</summary>
    public static NativeNames Current { get; } = For(
        OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux", RuntimeInformation.ProcessArchitecture);

    /// <summary>Of any system.</summary>
    public static NativeNames For(string system, Architecture architecture)
    {
        string identifier = $"{system}-{architecture.ToString().ToLowerInvariant()}";
        return system switch
        {
            "win" => new(identifier, "", ".dll"),
            "osx" => new(identifier, "lib", ".dylib"),
            _ => new(identifier, "lib", ".so"),
        };
    }

    /// <summary>Whether there is a libtorch that TorchSharp runs on here.</summary>
    public bool IsSupported => Supported.Contains(RuntimeIdentifier);

    /// <summary>The file of a library: <c>libtorch_cpu.so</c>.</summary>
    public string File(string library) => Prefix + library + Suffix;
}

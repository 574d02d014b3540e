using LoraKit.Torch.Loading;

namespace LoraKit.Torch.Tests;

/// <summary>Native files that tests read or link to.</summary>
internal static class Natives
{
    /// <summary>TorchSharp's library for Linux, as its package has it: beside the tests on every system, and flat in a publish for Linux.</summary>
    public static string LinuxTorchSharpLibrary { get; } = new[]
    {
        Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so"),
        Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so"),
    }.First(File.Exists);

    /// <summary>The libtorch that was restored for the tests.</summary>
    public static string LibTorchDirectory { get; } = Path.Combine(
        LibTorchSearch.FromEnvironment(null).PackagesDirectory!,
        "libtorch-cpu-" + NativeNames.Current.RuntimeIdentifier, TorchVersions.LibTorch, "runtimes", NativeNames.Current.RuntimeIdentifier, "native");

    /// <summary>The C++ library of the system; null where it lies in no usual place.</summary>
    public static string? SystemCppLibrary { get; } =
        new[] { "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib" }
            .Select(folder => Path.Combine(folder, "libstdc++.so.6")).FirstOrDefault(File.Exists);
}

using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace LoraKit.Torch.Loading;

/// <summary>Which libtorch it is.</summary>
internal static partial class LibTorchVersion
{
    private const int MaxFileBytes = 4096;

    /// <summary>What the files around a libtorch directory say: torch/version.py of a wheel, build-version of an archive, a package's path.</summary>
    /// <returns>The version without a local part such as <c>+cu128</c>; null where nothing says it.</returns>
    public static string? FromFiles(string directory)
    {
        string? parent = Path.GetDirectoryName(directory);
        if (parent is null) return null;
        return Match(PythonVersion(), Text(Path.Combine(parent, "version.py")))
            ?? Match(PlainVersion(), Text(Path.Combine(parent, "build-version")))
            ?? Match(PackagePath(), directory.Replace('\\', '/'));
    }

    /// <summary>What the loaded library itself says; null where it is too old to.</summary>
    public static unsafe string? FromLoaded(nint torchCpu)
    {
        if (!NativeLibrary.TryGetExport(torchCpu, "aoti_torch_abi_version", out nint symbol)) return null;
        ulong version = ((delegate* unmanaged<ulong>)symbol)();
        // One byte each from the top: major, minor, patch.
        return $"{version >> 56}.{(version >> 48) & 0xFF}.{(version >> 40) & 0xFF}";
    }

    private static string? Match(Regex pattern, string? text) =>
        text is not null && pattern.Match(text) is { Success: true } match ? match.Groups[1].Value : null;

    private static string? Text(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[MaxFileBytes];
            return System.Text.Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^__version__\s*=\s*['""](\d+\.\d+\.\d+)", RegexOptions.Multiline)]
    private static partial Regex PythonVersion();

    [GeneratedRegex(@"^(\d+\.\d+\.\d+)")]
    private static partial Regex PlainVersion();

    [GeneratedRegex(@"/libtorch-[a-z0-9.-]+/(\d+\.\d+\.\d+)(?:\.\d+)?/runtimes/")]
    private static partial Regex PackagePath();
}

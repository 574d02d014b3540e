using System.Reflection;

namespace LoraKit.Tests;

/// <summary>Where tests find what they read.</summary>
internal static class Paths
{
    public static string Repository { get; } = typeof(Paths).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!;

    /// <summary>A file or folder under tests/fixtures.</summary>
    public static string Fixture(params string[] parts) => Path.Combine([Repository, "tests", "fixtures", .. parts]);

    /// <summary>Files made by other programs; null where they are not on this machine.</summary>
    public static string? RealData { get; } = Find("LORAKIT_REAL_DATA", "real");

    /// <summary>Outputs that other programs computed; null where they are not on this machine.</summary>
    public static string? Conformance { get; } = Find("LORAKIT_CONFORMANCE", "conformance");

    private static string? Find(string variable, string folder)
    {
        string path = Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set
            ? set
            : Path.GetFullPath(Path.Combine(Repository, "..", "shared", folder));
        return Directory.Exists(path) ? path : null;
    }
}

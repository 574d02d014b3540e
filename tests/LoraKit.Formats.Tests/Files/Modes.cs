namespace LoraKit.Formats.Tests.Files;

/// <summary>Unix permissions, where there are any.</summary>
internal static class Modes
{
    public static bool Exist => !OperatingSystem.IsWindows();

    public static UnixFileMode Get(string path) => OperatingSystem.IsWindows() ? UnixFileMode.None : File.GetUnixFileMode(path);

    public static void Set(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
    }
}

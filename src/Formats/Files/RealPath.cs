namespace LoraKit.Formats.Files;

/// <summary>A path with every symbolic link in it followed.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40;

    /// <summary>How paths are compared here: where file systems usually ignore case, so do we.</summary>
    public static StringComparison Comparison { get; } =
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary>The absolute path without links; what does not exist is kept as it is spelt.</summary>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public static string Of(string path) => TryOf(path) ?? throw new IOException($"symbolic links lead in a circle at {path}");

    /// <summary>As <see cref="Of"/>; null where links lead in a circle.</summary>
    public static string? TryOf(string path)
    {
        string full = Path.GetFullPath(path);
        string real = Path.GetPathRoot(full)!;
        Stack<string> pending = new();
        Push(full[real.Length..]);
        int links = 0;
        while (pending.TryPop(out string? segment))
        {
            if (segment == "..")
            {
                real = Path.GetDirectoryName(real) ?? real;
                continue;
            }

            string next = Path.Combine(real, segment);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }

            if (++links > MaxLinks) return null;
            string root = Path.GetPathRoot(target)!;
            if (root.Length > 0) real = root;
            Push(target[root.Length..]);
        }

        return real;

        void Push(string relative)
        {
            string[] segments = relative.Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);
            foreach (string segment in segments.Reverse().Where(s => s != "."))
            {
                pending.Push(segment);
            }
        }
    }

    /// <summary>The path and the folders above it, innermost first.</summary>
    public static IEnumerable<string> SelfAndAbove(string path)
    {
        for (string? at = path; !string.IsNullOrEmpty(at); at = Path.GetDirectoryName(at))
        {
            yield return at;
        }
    }
}

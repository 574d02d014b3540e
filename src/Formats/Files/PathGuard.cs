namespace LoraKit.Formats.Files;

/// <summary>
/// The gate for relative paths that come from files: an index's shard names, names inside an output. A path that passes stays below
/// the folder it is joined to, on every system.
/// </summary>
internal static class PathGuard
{
    private const int MaxLength = 1024;

    /// <summary>The path with <c>/</c> between its segments; or why it is refused.</summary>
    /// <param name="path">As it is spelt in the file; both <c>/</c> and <c>\</c> separate, whatever system this is.</param>
    /// <param name="relative">The same without <c>.</c> segments; empty if refused.</param>
    /// <returns>Null if it is good; else the reason, to follow "…: ".</returns>
    public static string? Refusal(string path, out string relative)
    {
        relative = string.Empty;
        if (path.Length == 0) return "is empty";
        if (path.Length > MaxLength) return $"is longer than {MaxLength} characters";
        if (path.Any(char.IsControl)) return "has control characters";
        if (path[0] is '/' or '\\') return "is absolute; expected a path below the folder";
        if (path.Length > 1 && path[1] == ':' && char.IsAsciiLetter(path[0])) return "names a drive; expected a path below the folder";

        List<string> segments = [];
        foreach (string segment in path.Split('/', '\\'))
        {
            switch (segment)
            {
                case "":
                    return "has an empty segment";
                case ".":
                    continue;
                case "..":
                    return "leads out of the folder ('..')";
                default:
                    if (segment[^1] is '.' or ' ') return "has a segment that ends in a dot or a space, which some systems drop";
                    if (OperatingSystem.IsWindows() && segment.AsSpan().ContainsAny(Path.GetInvalidFileNameChars())) return "has characters that no file name may have";
                    segments.Add(segment);
                    break;
            }
        }

        if (segments.Count == 0 || path[^1] == '.') return "names no file";
        relative = string.Join('/', segments);
        return null;
    }
}

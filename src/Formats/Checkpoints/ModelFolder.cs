using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>The files of a model's folder beside the ones its tensors are read from.</summary>
/// <param name="Companions">What goes where the model goes, as relative paths with <c>/</c>, in ordinal order.</param>
/// <param name="LeftOut">What does not, in the same form: weights in other formats, indexes, adapters, what cannot be copied.</param>
/// <param name="Unreadable">Those of the latter that would go if they could be read: links that lead nowhere, pipes, devices.</param>
internal sealed record ModelFolder(IReadOnlyList<string> Companions, IReadOnlyList<string> LeftOut, IReadOnlyList<string> Unreadable)
{
    private const int MaxDepth = 16;
    private const int MaxFiles = 10_000;

    /// <summary>Walks the folder. Links to files are followed, links to folders are not; hidden names are passed over.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="read">The relative paths that the checkpoint itself is made of.</param>
    /// <param name="kept">Folders whose weights go along as they are.</param>
    /// <exception cref="InvalidFileException">There are too many files, or folders too deep, to be one model.</exception>
    public static ModelFolder Scan(string folder, IReadOnlySet<string> read, params IReadOnlyList<string> kept)
    {
        List<string> companions = [];
        List<string> leftOut = [];
        List<string> unreadable = [];
        try
        {
            Walk(new(folder), string.Empty, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"{Printable.Text(folder)}: cannot be listed: {InputErrors.Reason(e)}", folder, cause: e);
        }

        companions.Sort(StringComparer.Ordinal);
        leftOut.Sort(StringComparer.Ordinal);
        unreadable.Sort(StringComparer.Ordinal);
        return new(companions, leftOut, unreadable);

        void Walk(DirectoryInfo at, string prefix, int depth)
        {
            foreach (FileSystemInfo entry in at.EnumerateFileSystemInfos())
            {
                if (entry.Name[0] == '.') continue;
                string relative = prefix + entry.Name;
                FileNature nature = FileNatures.Of(entry.FullName);
                if (nature == FileNature.Folder)
                {
                    if (entry.LinkTarget is not null) leftOut.Add(relative);
                    else if (depth == MaxDepth) throw TooMuch($"has folders more than {MaxDepth} deep");
                    else Walk((DirectoryInfo)entry, relative + "/", depth + 1);
                }
                else if (!read.Contains(relative))
                {
                    bool belongs = IsCompanion(entry.Name, relative, kept);
                    (belongs && nature == FileNature.File ? companions : leftOut).Add(relative);
                    if (belongs && nature != FileNature.File) unreadable.Add(relative);
                }

                if (companions.Count + leftOut.Count > MaxFiles) throw TooMuch($"has more than {MaxFiles} files");
            }
        }

        InvalidFileException TooMuch(string what) =>
            new($"{Printable.Text(folder)}: {what}, which is more than a model has; name a folder that holds the model alone", folder);
    }

    // A name that the path gate refuses could not be written.
    private static bool IsCompanion(string name, string relative, IReadOnlyList<string> kept) =>
        (ModelFileKinds.Of(name) == ModelFileKind.Companion || kept.Any(folder => relative.StartsWith(folder + "/", StringComparison.Ordinal)))
        && PathGuard.Refusal(relative, out string clean) is null && clean == relative;
}

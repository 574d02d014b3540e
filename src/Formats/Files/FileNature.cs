namespace LoraKit.Formats.Files;

/// <summary>What a name leads to, links followed.</summary>
internal enum FileNature : byte
{
    /// <summary>Nothing is there.</summary>
    Missing,

    /// <summary>A regular file.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A pipe, a device, a socket: opening it may block or never end.</summary>
    Special,
}

/// <summary>Finds out what a name leads to without opening it.</summary>
internal static class FileNatures
{
    private const int TypeMask = 0xF000;
    private const int FolderType = 0x4000;
    private const int RegularType = 0x8000;

    public static FileNature Of(string path)
    {
        if (path.Length == 0) return FileNature.Missing;
        if (NativeFiles.TryStatus(path, out NativeFiles.StatusBuffer status))
        {
            return (status.Mode & TypeMask) switch
            {
                FolderType => FileNature.Folder,
                RegularType => FileNature.File,
                _ => FileNature.Special,
            };
        }

        try
        {
            string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            if (Directory.Exists(target)) return FileNature.Folder;
            return File.Exists(target) ? FileNature.File : FileNature.Missing;
        }
        catch (IOException)
        {
            return FileNature.Missing; // Links that lead in a circle, or nothing there.
        }
    }
}

using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>Opening files that must be plain files: what could block for ever or has no end is refused before it is opened.</summary>
internal static class RegularFile
{
    /// <summary>Opens for reading, through symbolic links; others may read but not write meanwhile.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is a folder, a pipe, a device or empty, or it may not be read.</exception>
    public static SafeFileHandle OpenRead(string path) => Open(path, mayBeEmpty: false);

    /// <summary>As <see cref="OpenRead"/>, of a file that may be empty.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is a folder, a pipe or a device, or it may not be read.</exception>
    public static SafeFileHandle OpenAny(string path) => Open(path, mayBeEmpty: true);

    private static SafeFileHandle Open(string path, bool mayBeEmpty)
    {
        try
        {
            switch (FileNatures.Of(path))
            {
                case FileNature.Missing:
                    throw NotFound(path);
                case FileNature.Folder:
                    throw Invalid(path, "is a folder, a file was expected");
                case FileNature.Special:
                    throw Invalid(path, "is a pipe, a socket or a device, a regular file was expected");
            }

            // Where the system does not tell natures apart, pipes and devices have no length either. Opening a pipe would wait for its writer.
            FileSystemInfo target = File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
            if (!mayBeEmpty && new FileInfo(target.FullName).Length == 0) throw Invalid(path, FileKind.Empty.Explain()!);
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw NotFound(path, e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw Invalid(path, $"cannot be opened: {InputErrors.Reason(e)}", e);
        }
    }

    private static InputNotFoundException NotFound(string path, Exception? cause = null)
    {
        string link = path.Length == 0 || new FileInfo(path).LinkTarget is not { } target ? string.Empty
            : RealPath.TryOf(path) is null ? ": symbolic links lead in a circle"
            : $": the link leads to {Printable.Text(target)}, which is not there";
        return new($"{Printable.Text(path)}: no such file{link}", path, cause);
    }

    private static InvalidFileException Invalid(string path, string what, Exception? cause = null) =>
        new($"{Printable.Text(path)}: {what}", path, cause: cause);
}

using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>Opening files that must be plain files: what could block for ever or has no end is refused before it is opened.</summary>
internal static class RegularFile
{
    /// <summary>Opens for reading, through symbolic links; others may read but not write meanwhile.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is a folder, a pipe, a device or empty, or it may not be read.</exception>
    public static SafeFileHandle OpenRead(string path)
    {
        string shown = Printable.Text(path);
        try
        {
            FileSystemInfo target = File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
            if (Directory.Exists(target.FullName)) throw new InvalidFileException($"{shown}: is a folder, a file was expected", path);
            FileInfo file = new(target.FullName);
            if (!file.Exists) throw NotFound(shown, path, target.FullName);

            // Pipes, devices and the like have no length. Opening a pipe would wait for its writer.
            if (file.Length == 0)
                throw new InvalidFileException($"{shown}: the file is empty (0 bytes), or is a pipe or a device; a regular file was expected", path);
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputNotFoundException($"{shown}: no such file", path, e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new InvalidFileException($"{shown}: cannot be opened: {Printable.Text(e.Message)}", path, cause: e);
        }
    }

    private static InputNotFoundException NotFound(string shown, string path, string target) => new(
        target == Path.GetFullPath(path) ? $"{shown}: no such file" : $"{shown}: no such file: the link leads to {Printable.Text(target)}, which is not there",
        path);
}

using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>Small files read whole, with a bound on what "small" is.</summary>
internal static class BoundedFile
{
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is larger than <paramref name="limit"/>, no regular file, or cannot be read.</exception>
    public static byte[] ReadAll(string path, int limit)
    {
        using SafeFileHandle handle = RegularFile.OpenRead(path);
        string shown = Printable.Text(path);
        try
        {
            long length = RandomAccess.GetLength(handle);
            if (length > limit) throw new InvalidFileException($"{shown}: has {length} bytes; at most {limit} are expected of such a file", path);
            byte[] bytes = new byte[length];
            return handle.ReadFully(0, bytes) == length ? bytes : throw new InvalidFileException($"{shown}: became shorter while it was read", path);
        }
        catch (IOException e)
        {
            throw InputErrors.Unreadable(path, e);
        }
    }
}

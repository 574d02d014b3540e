using LoraKit.Formats.Files;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Containers;

/// <summary>A file that is open for positional reads, and what is said when it disappoints.</summary>
internal sealed class OpenFile : IDisposable
{
    private OpenFile(string path, SafeFileHandle handle, long length)
    {
        Path = path;
        Handle = handle;
        Length = length;
    }

    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is a folder, a pipe, a device or empty, or it may not be read.</exception>
    public static OpenFile Open(string path)
    {
        SafeFileHandle handle = RegularFile.OpenRead(path);
        return new(path, handle, RandomAccess.GetLength(handle));
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>The open file, for copies that stay inside the kernel.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Fills the destination, from any thread.</summary>
    /// <exception cref="InvalidFileException">The file ends before, or the system cannot read it.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        int read;
        try
        {
            read = Handle.ReadFully(offset, destination);
        }
        catch (IOException e)
        {
            throw InputErrors.Unreadable(Path, e);
        }

        if (read < destination.Length) throw Invalid($"ends at byte {offset + read}, {offset + destination.Length} were expected; fetch it again");
    }

    /// <summary>To throw: the file is not what it must be.</summary>
    public InvalidFileException Invalid(string what, string? tensor = null, Exception? cause = null) => new(Message(what, tensor), Path, tensor, cause);

    /// <summary>To throw: the file may be good, but is not read.</summary>
    public UnsupportedException Unsupported(string what, string? tensor = null) => new(Message(what, tensor), Path, tensor);

    public void Dispose() => Handle.Dispose();

    private string Message(string what, string? tensor) =>
        tensor is null ? $"{Printable.Text(Path)}: {what}" : $"{Printable.Text(Path)}: tensor '{Printable.Text(tensor)}' {what}";
}

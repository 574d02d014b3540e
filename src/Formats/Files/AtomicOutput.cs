using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>How an output comes to be.</summary>
public sealed record AtomicOutputOptions
{
    /// <summary>Replace an existing output of the same kind. An input is never replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Flush files and folders to the disk before the final name appears, so that the output survives a crash of the machine.</summary>
    public bool Flush { get; init; } = true;

    /// <summary>Files and folders that are read: the output may be none of them, lie in none of them, and contain none of them.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];
}

/// <summary>
/// A file or folder that appears under its final name whole, or not at all. Everything is written to a hidden sibling, flushed,
/// and renamed by <see cref="Commit"/>; disposing without it removes every trace. See spec/durability.md.
/// </summary>
public sealed class AtomicOutput : IDisposable
{
    /// <summary>Prepares a folder to be written.</summary>
    /// <exception cref="OutputException">It exists, is or touches an input, or its parent cannot be written.</exception>
    public static AtomicOutput CreateFolder(string path, AtomicOutputOptions options) => throw new NotImplementedException();

    /// <summary>Prepares a single file to be written; <see cref="CreateFile"/> is then called once, with the file's own name.</summary>
    /// <exception cref="OutputException">It exists, is or touches an input, or its parent cannot be written.</exception>
    public static AtomicOutput CreateSingle(string path, AtomicOutputOptions options) => throw new NotImplementedException();

    /// <summary>The final path, absolute.</summary>
    public string Path => throw new NotImplementedException();

    /// <summary>Makes a file of known length inside the output; the disk space is claimed at once where the file system can.</summary>
    /// <param name="relativePath">Its place inside the folder, with <c>/</c>; may not leave the folder.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="OutputException">The disk is full, the name leaves the folder, or it was made before.</exception>
    public OutputFile CreateFile(string relativePath, long length) => throw new NotImplementedException();

    /// <summary>Flushes, renames, flushes the parent. After this the output is there.</summary>
    /// <exception cref="OutputException">Any of it failed; nothing is left under the final name that was not there before.</exception>
    public void Commit() => throw new NotImplementedException();

    /// <summary>Removes what was not committed.</summary>
    public void Dispose() => throw new NotImplementedException();
}

/// <summary>One file of an <see cref="AtomicOutput"/>. Writes are positional and safe from several threads at once.</summary>
public sealed class OutputFile
{
    /// <summary>Its place inside the output.</summary>
    public string RelativePath => throw new NotImplementedException();

    /// <summary>Its length in bytes.</summary>
    public long Length => throw new NotImplementedException();

    /// <summary>Writes at a position.</summary>
    /// <exception cref="OutputException">The disk is full or the write failed.</exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>Copies a range of an open file, inside the kernel where it can (copy_file_range), else through a buffer.</summary>
    /// <exception cref="OutputException">The disk is full or the write failed.</exception>
    /// <exception cref="InvalidFileException">The source ended early.</exception>
    public void CopyFrom(SafeFileHandle source, string sourcePath, long sourceOffset, long offset, long length, CancellationToken cancellation) =>
        throw new NotImplementedException();

    /// <summary>Reads back what was written, for checks before the commit.</summary>
    public void Read(long offset, Span<byte> destination) => throw new NotImplementedException();
}

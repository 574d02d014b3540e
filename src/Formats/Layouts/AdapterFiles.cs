using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts;

/// <summary>One file of an adapter to be written: its length is known before its bytes are.</summary>
/// <param name="RelativePath">Its place in the adapter's folder; ignored where the adapter is a single file.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="WriteTo">Makes the file of that relative path and length in an output and fills it.</param>
public sealed record AdapterFile(string RelativePath, long Length, Action<AtomicOutput, string, CancellationToken> WriteTo);

/// <summary>An adapter as files of one layout: names, shapes and sizes decided, nothing computed or written yet.</summary>
/// <param name="IsSingleFile">Whether the adapter is one file, and not a folder.</param>
/// <param name="Files">The files.</param>
public sealed record AdapterFiles(bool IsSingleFile, IReadOnlyList<AdapterFile> Files)
{
    /// <summary>All files together.</summary>
    public long Bytes => Files.Sum(file => file.Length);
}

using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Safetensors;

/// <summary>An open safetensors file. Opening fails, or the header is wholly valid. Reads are positional (pread), never mapped.</summary>
public sealed class SafetensorsFile : ICheckpointFile
{
    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header)
    {
        Path = path;
        Handle = handle;
        Header = header;
    }

    /// <summary>Opens a file for reading, following symbolic links, and never for writing.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is no valid safetensors file; if it is a known other kind, the message says which.</exception>
    public static SafetensorsFile Open(string path, SafetensorsMode mode = SafetensorsMode.Strict)
    {
        SafeFileHandle handle = RegularFile.OpenRead(path);
        try
        {
            using HandleStream stream = new(handle);
            return new(path, handle, SafetensorsHeader.Read(stream, stream.Length, path, mode));
        }
        catch (Exception e)
        {
            using (handle)
            {
                if (e is InvalidFileException && Explain(handle) is { } explanation)
                    throw new InvalidFileException($"{Printable.Text(path)}: not a safetensors file: {explanation}", path, cause: e);
                if (e is IOException) throw InputErrors.Unreadable(path, e);
            }

            throw;
        }
    }

    /// <summary>The checked header.</summary>
    public SafetensorsHeader Header { get; }

    /// <inheritdoc/>
    public SafeFileHandle Handle { get; }

    /// <inheritdoc/>
    public long HeaderLength => Header.DataOffset;

    /// <inheritdoc/>
    public long FileLength => Header.FileLength;

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public string Container => "safetensors";

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => Header.Tensors;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => Header.TryGetTensor(name, out tensor);

    /// <inheritdoc/>
    public void ReadHeader(Span<byte> destination)
    {
        if (destination.Length != Header.DataOffset)
            throw new ArgumentException($"the header takes {Header.DataOffset} bytes, the destination has {destination.Length}", nameof(destination));
        ReadAt(0, destination, tensor: null);
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long start, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, tensor.ByteLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensor.ByteLength - start, nameof(destination));
        ReadAt(tensor.Offset + start, destination, tensor.Name);
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    private void ReadAt(long offset, Span<byte> destination, string? tensor)
    {
        int read;
        try
        {
            read = Handle.ReadFully(offset, destination);
        }
        catch (IOException e)
        {
            throw InputErrors.Unreadable(Path, e, tensor);
        }

        if (read == destination.Length) return;
        throw new InvalidFileException(
            $"{Where(tensor)}: the file has become shorter than its header says ({offset + read} bytes of {Header.FileLength}); restore it",
            Path, tensor);
    }

    private string Where(string? tensor) =>
        tensor is null ? Printable.Text(Path) : $"{Printable.Text(Path)}: tensor '{Printable.Text(tensor)}'";

    private static string? Explain(SafeFileHandle handle)
    {
        Span<byte> start = stackalloc byte[FileKinds.BytesNeeded];
        try
        {
            return FileKinds.Detect(start[..handle.ReadFully(0, start)]).Explain();
        }
        catch (IOException)
        {
            return null; // The first failure is the one to tell.
        }
    }
}

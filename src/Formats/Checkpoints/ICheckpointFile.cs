using LoraKit.Formats.Tensors;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Checkpoints;

/// <summary>An open file of a checkpoint. Its tensors are in the order of their bytes, which lie in it as they are: what stays the same is copied, header and all.</summary>
public interface ICheckpointFile : ITensorSource
{
    /// <summary>The open file, for copies that stay inside the kernel.</summary>
    SafeFileHandle Handle { get; }

    /// <summary>Bytes before the data.</summary>
    long HeaderLength { get; }

    /// <summary>Bytes of the whole file.</summary>
    long FileLength { get; }

    /// <summary>Copies the bytes before the data, exactly as they are in the file.</summary>
    /// <param name="destination">Of length <see cref="HeaderLength"/>.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    /// <exception cref="InvalidFileException">The file has become shorter than its header says.</exception>
    void ReadHeader(Span<byte> destination);
}

using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Tensors;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Safetensors;

/// <summary>An open safetensors file. Opening fails, or the header is wholly valid. Reads are positional (pread), never mapped.</summary>
public sealed class SafetensorsFile : ITensorSource
{
    /// <summary>Opens a file for reading, following symbolic links, and never for writing.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is no valid safetensors file; if it is a known other kind, the message says which.</exception>
    public static SafetensorsFile Open(string path, SafetensorsMode mode = SafetensorsMode.Strict) => throw new NotImplementedException();

    /// <summary>The checked header.</summary>
    public SafetensorsHeader Header => throw new NotImplementedException();

    /// <summary>The open file, for copies that stay inside the kernel.</summary>
    public SafeFileHandle Handle => throw new NotImplementedException();

    /// <inheritdoc/>
    public string Path => throw new NotImplementedException();

    /// <inheritdoc/>
    public string Container => "safetensors";

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => Header.Tensors;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => Header.TryGetTensor(name, out tensor);

    /// <summary>Copies the bytes before the data, exactly as they are in the file.</summary>
    /// <param name="destination">Of length <see cref="SafetensorsHeader.DataOffset"/>.</param>
    public void ReadHeader(Span<byte> destination) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long start, Span<byte> destination) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}

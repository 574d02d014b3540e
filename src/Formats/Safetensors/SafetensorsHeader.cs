using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>How strictly a header is read.</summary>
public enum SafetensorsMode : byte
{
    /// <summary>The reference's rules, and no duplicate names, NUL in names, or tensors in array form.</summary>
    Strict,

    /// <summary>Exactly the verdicts of the reference implementation.</summary>
    Reference,
}

/// <summary>
/// A valid safetensors header: the one gate that untrusted bytes pass, used by reader and writer. See spec/containers/safetensors.md.
/// </summary>
public sealed class SafetensorsHeader
{
    /// <summary>The largest header, in bytes (decimal 100 MB), as in the reference implementation.</summary>
    public const long MaxLength = 100_000_000;

    /// <summary>Every tensor in the order of its bytes; offsets count from the start of the file.</summary>
    public IReadOnlyList<TensorInfo> Tensors => throw new NotImplementedException();

    /// <summary>The <c>__metadata__</c> map; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => throw new NotImplementedException();

    /// <summary>Where the tensor data begins: 8 + the header's length.</summary>
    public long DataOffset => throw new NotImplementedException();

    /// <summary>The whole file's length.</summary>
    public long FileLength => throw new NotImplementedException();

    /// <summary>Finds a tensor by its exact name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => throw new NotImplementedException();

    /// <summary>Reads and checks the header at the start of a stream of known length; the stream is read forwards only.</summary>
    /// <exception cref="InvalidFileException">A rule is broken; the message names it and the tensor.</exception>
    public static SafetensorsHeader Read(Stream stream, long fileLength, string? path = null, SafetensorsMode mode = SafetensorsMode.Strict) =>
        throw new NotImplementedException();

    /// <summary>
    /// The header of a file to be written: canonical order (element type descending, then UTF-8 bytes of the name), no gaps.
    /// </summary>
    /// <param name="tensors">Name, element type and shape of each tensor, in any order.</param>
    /// <param name="metadata">The metadata; null writes none. Keys are sorted.</param>
    /// <exception cref="ArgumentException">A duplicate or reserved name, or a size that is no whole number of bytes.</exception>
    public static SafetensorsHeader Plan(
        IEnumerable<(string Name, DType DType, TensorShape Shape)> tensors, IReadOnlyDictionary<string, string>? metadata) =>
        throw new NotImplementedException();

    /// <summary>The bytes from the start of the file to the data: length, JSON in the reference's spelling, padding.</summary>
    public byte[] ToBytes() => throw new NotImplementedException();
}

using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using LoraKit.Formats.Files;
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

    private const int PrefixLength = 8;
    private const int Alignment = 8;
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>();

    private readonly TensorInfo[] _tensors;
    private readonly Dictionary<string, int> _positions;
    private readonly IReadOnlyDictionary<string, string>? _metadata;

    private SafetensorsHeader(
        TensorInfo[] tensors, Dictionary<string, int> positions, IReadOnlyDictionary<string, string>? metadata, long dataOffset)
    {
        _tensors = tensors;
        _positions = positions;
        _metadata = metadata;
        DataOffset = dataOffset;
        Tensors = Array.AsReadOnly(tensors);
    }

    /// <summary>Every tensor in the order of its bytes; offsets count from the start of the file.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The <c>__metadata__</c> map; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata ?? NoMetadata;

    /// <summary>Where the tensor data begins: 8 + the header's length.</summary>
    public long DataOffset { get; }

    /// <summary>The whole file's length.</summary>
    public long FileLength => _tensors.Length == 0 ? DataOffset : _tensors[^1].End;

    /// <summary>Finds a tensor by its exact name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        bool found = _positions.TryGetValue(name, out int position);
        tensor = found ? _tensors[position] : null;
        return found;
    }

    /// <summary>Reads and checks the header at the start of a stream of known length; the stream is read forwards only.</summary>
    /// <exception cref="InvalidFileException">A rule is broken; the message names it and the tensor.</exception>
    public static SafetensorsHeader Read(Stream stream, long fileLength, string? path = null, SafetensorsMode mode = SafetensorsMode.Strict)
    {
        try
        {
            long length = ReadLength(stream, fileLength);
            ParsedHeader parsed = new HeaderParser(new HeaderBytes(stream, length), mode).Parse();
            return Build(parsed, PrefixLength + length, fileLength, mode);
        }
        catch (InvalidFileException e) when (path is not null)
        {
            throw new InvalidFileException($"{Printable.Text(path)}: {e.Message}", path, e.Tensor, e.InnerException);
        }
    }

    /// <summary>
    /// The header of a file to be written: canonical order (element type descending, then UTF-8 bytes of the name), no gaps.
    /// </summary>
    /// <param name="tensors">Name, element type and shape of each tensor, in any order.</param>
    /// <param name="metadata">The metadata; null writes none. Keys are sorted.</param>
    /// <exception cref="ArgumentException">
    /// A name is duplicate, reserved or holds NUL, a size is no whole number of bytes, or the header is longer than <see cref="MaxLength"/>.
    /// </exception>
    public static SafetensorsHeader Plan(
        IEnumerable<(string Name, DType DType, TensorShape Shape)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        metadata = metadata is null ? null : HeaderPlan.Metadata(metadata);
        HeaderEntry[] entries = HeaderPlan.Layout(tensors);
        ulong dataLength = entries.Length == 0 ? 0 : entries[^1].End;
        if (HeaderLayout.Check(entries, dataLength) is { } fault) throw new ArgumentException(fault.Message);

        ByteCounter json = new();
        HeaderJson.Write(json, metadata, entries.Select(entry => Place(entry, 0)), 0);
        long length = (json.Count + Alignment - 1) / Alignment * Alignment;
        if (length > MaxLength) throw new ArgumentException($"the header would be {length} bytes long, more than the {MaxLength} allowed");
        if (dataLength > (ulong)(long.MaxValue - PrefixLength - length)) throw new ArgumentException("the file would be longer than 2^63 bytes");
        return new(Place(entries, PrefixLength + length), Positions(entries), metadata, PrefixLength + length);
    }

    /// <summary>
    /// The bytes from the start of the file to the data, <see cref="DataOffset"/> of them: length, JSON in the reference's spelling, padding.
    /// The header of a file that was read is spelt anew, and padded so that every offset still holds.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The header was read in <see cref="SafetensorsMode.Reference"/> and was shorter than any header in the reference's spelling.
    /// </exception>
    public byte[] ToBytes()
    {
        ArrayBufferWriter<byte> json = new((int)DataOffset);
        HeaderJson.Write(json, _metadata, _tensors, DataOffset);
        if (json.WrittenCount > DataOffset - PrefixLength)
            throw new InvalidOperationException($"the header takes {json.WrittenCount} bytes, but {DataOffset - PrefixLength} are there before the data");
        byte[] bytes = new byte[DataOffset];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, DataOffset - PrefixLength);
        json.WrittenSpan.CopyTo(bytes.AsSpan(PrefixLength));
        bytes.AsSpan(PrefixLength + json.WrittenCount).Fill((byte)' ');
        return bytes;
    }

    // The length is compared with the file before anything of its size is allocated.
    private static long ReadLength(Stream stream, long fileLength)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        if (fileLength < PrefixLength || stream.ReadAtLeast(prefix, PrefixLength, throwOnEndOfStream: false) < PrefixLength)
            throw new InvalidFileException($"the file is {fileLength} bytes long, too short for the 8 bytes of the header's length");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength) throw new InvalidFileException($"the header is too large: its length is given as {length} bytes, {MaxLength} are allowed");
        if (length > (ulong)(fileLength - PrefixLength))
            throw new InvalidFileException($"the header's length is given as {length} bytes, but only {fileLength - PrefixLength} follow in the file: it is truncated or no safetensors file; fetch or write it again");
        if (length == 0) throw new InvalidFileException("the header is empty: its length is given as 0 bytes, the shortest is '{}'");
        return (long)length;
    }

    private static SafetensorsHeader Build(ParsedHeader parsed, long dataOffset, long fileLength, SafetensorsMode mode)
    {
        Span<HeaderEntry> entries = Survivors(parsed.Entries, mode);
        HeaderLayout.Sort(entries);
        if (HeaderLayout.Check(entries, (ulong)(fileLength - dataOffset)) is { } fault)
            throw new InvalidFileException(fault.Message, tensor: fault.Tensor);
        return new(Place(entries, dataOffset), Positions(entries), parsed.Metadata, dataOffset);
    }

    // The reference keeps the last of equal names; strict reading wants no equal names.
    private static Span<HeaderEntry> Survivors(List<HeaderEntry> parsed, SafetensorsMode mode)
    {
        Span<HeaderEntry> entries = CollectionsMarshal.AsSpan(parsed);
        Dictionary<string, int> last = new(entries.Length, StringComparer.Ordinal);
        foreach (ref readonly HeaderEntry entry in entries)
        {
            if (!last.TryAdd(entry.Name, entry.Index) && mode == SafetensorsMode.Strict)
                throw new InvalidFileException($"tensor '{Printable.Text(entry.Name)}': the name stands twice in the header", tensor: entry.Name);
            last[entry.Name] = entry.Index;
        }

        int kept = 0;
        foreach (HeaderEntry entry in entries)
        {
            if (last[entry.Name] == entry.Index) entries[kept++] = entry;
        }

        return entries[..kept];
    }

    private static Dictionary<string, int> Positions(ReadOnlySpan<HeaderEntry> entries)
    {
        Dictionary<string, int> positions = new(entries.Length, StringComparer.Ordinal);
        for (int i = 0; i < entries.Length; i++)
        {
            positions.Add(entries[i].Name, i);
        }

        return positions;
    }

    private static TensorInfo[] Place(ReadOnlySpan<HeaderEntry> entries, long dataOffset)
    {
        TensorInfo[] tensors = new TensorInfo[entries.Length];
        for (int i = 0; i < entries.Length; i++)
        {
            tensors[i] = Place(entries[i], dataOffset);
        }

        return tensors;
    }

    private static TensorInfo Place(in HeaderEntry entry, long dataOffset) =>
        new(entry.Name, entry.DType, entry.Shape, dataOffset + (long)entry.Begin, (long)(entry.End - entry.Begin));
}

using System.IO.Hashing;
using System.Security.Cryptography;
using LoraKit.Formats;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Ops.Inspect;

/// <summary>All hashes of a safetensors file in one pass over it.</summary>
internal static class HashedFile
{
    private const int PieceBytes = 1 << 20;
    private const long LegacyStart = 0x100000;
    private const int LegacyLength = 0x10000;

    public static FileHashes Of(SafetensorsFile file, CancellationToken cancellation)
    {
        using IncrementalHash whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using IncrementalHash data = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        XxHash128 quick = new();
        byte[] buffer = new byte[PieceBytes];
        long length = file.Header.FileLength;
        long header = file.Header.DataOffset;
        for (long position = 0; position < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            // A piece ends where the header does, so that the data's hash begins with a piece.
            long end = position < header ? header : length;
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(PieceBytes, end - position));
            Read(file, position, piece);
            whole.AppendData(piece);
            quick.Append(piece);
            if (position >= header) data.AppendData(piece);
            position += piece.Length;
        }

        return new FileHashes(
            Convert.ToHexStringLower(whole.GetHashAndReset()), Convert.ToHexStringLower(quick.GetCurrentHash()),
            Convert.ToHexStringLower(data.GetHashAndReset()), Legacy(file));
    }

    // sd-scripts hashes the file it would write with the ss_ keys alone, before it adds its hashes: same data, a shorter header.
    private static string Legacy(SafetensorsFile file)
    {
        Dictionary<string, string> metadata = file.Metadata
            .Where(entry => entry.Key.StartsWith("ss_", StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);
        byte[] header = SafetensorsHeader.Plan(file.Tensors.Select(t => (t.Name, t.DType, t.Shape)), metadata).ToBytes();
        int headerLength = header.Length;
        if (file.Header.DataOffset % 8 != 0)
        {
            // Written before safetensors padded its headers, and so was what was hashed.
            while (header[headerLength - 1] == (byte)' ')
            {
                headerLength--;
            }
        }

        long length = headerLength + (file.Header.FileLength - file.Header.DataOffset);
        byte[] bytes = new byte[Math.Clamp(length - LegacyStart, 0, LegacyLength)];
        int fromHeader = (int)Math.Clamp(headerLength - LegacyStart, 0, bytes.Length);
        if (fromHeader > 0) header.AsSpan((int)LegacyStart, fromHeader).CopyTo(bytes);
        long dataStart = LegacyStart + fromHeader - headerLength;
        if (fromHeader < bytes.Length) Read(file, file.Header.DataOffset + dataStart, bytes.AsSpan(fromHeader));
        return Convert.ToHexStringLower(SHA256.HashData(bytes))[..8];
    }

    private static void Read(SafetensorsFile file, long position, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(file.Handle, destination, position);
            if (read <= 0)
            {
                throw new InvalidFileException(
                    $"'{file.Path}' has become shorter while it was read: expected {file.Header.FileLength} bytes, it ends at {position}", file.Path);
            }

            destination = destination[read..];
            position += read;
        }
    }
}

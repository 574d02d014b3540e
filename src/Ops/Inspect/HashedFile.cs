using System.IO.Hashing;
using System.Security.Cryptography;
using LoraKit.Formats;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Ops.Inspect;

/// <summary>All hashes of a safetensors file in one pass over it.</summary>
internal static class HashedFile
{
    private const int PieceBytes = 1 << 20;

    public static FileHashes Of(SafetensorsFile file, CancellationToken cancellation)
    {
        using IncrementalHash whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using SshsHashes sshs = new(file.Header);
        XxHash128 quick = new();
        byte[] buffer = new byte[PieceBytes];
        long length = file.Header.FileLength;
        long header = file.Header.DataOffset;
        for (long position = 0; position < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            // A piece ends where the header does, so that the hashes of the data begin with a piece.
            long end = position < header ? header : length;
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(PieceBytes, end - position));
            Read(file, position, piece);
            whole.AppendData(piece);
            quick.Append(piece);
            if (position >= header) sshs.Append(piece);
            position += piece.Length;
        }

        (string model, string legacy) = sshs.Finish();
        return new FileHashes(
            Convert.ToHexStringLower(whole.GetHashAndReset()), Convert.ToHexStringLower(quick.GetCurrentHash()), model, legacy);
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

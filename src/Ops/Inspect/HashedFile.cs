using System.IO.Hashing;
using System.Security.Cryptography;
using LoraKit.Formats;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>All hashes of a tensor file in one pass over it.</summary>
internal static class HashedFile
{
    private const int PieceBytes = 1 << 20;

    /// <exception cref="InvalidFileException">The file cannot be read, or has become shorter.</exception>
    public static FileHashes Of(ITensorSource source, CancellationToken cancellation)
    {
        using OpenFile file = OpenFile.Open(source.Path);
        using IncrementalHash whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        SafetensorsHeader? header = (source as SafetensorsFile)?.Header;
        using SshsHashes? sshs = header is null ? null : new(header);
        long data = header?.DataOffset ?? 0;
        XxHash128 quick = new();
        byte[] buffer = new byte[PieceBytes];
        for (long position = 0; position < file.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            // A piece ends where the header does, so that the hashes of the data begin with a piece.
            long end = position < data ? data : file.Length;
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(PieceBytes, end - position));
            file.Read(position, piece);
            whole.AppendData(piece);
            quick.Append(piece);
            if (position >= data) sshs?.Append(piece);
            position += piece.Length;
        }

        (string Model, string Legacy)? ofData = sshs?.Finish();
        return new FileHashes(
            Convert.ToHexStringLower(whole.GetHashAndReset()), Convert.ToHexStringLower(quick.GetCurrentHash()), ofData?.Model, ofData?.Legacy);
    }
}

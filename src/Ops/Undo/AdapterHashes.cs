using System.IO.Hashing;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Ops.Undo;

/// <summary>What an adapter's files hold, as hashes: XXH128 in lower-case hexadecimal.</summary>
/// <param name="Tensors">Of the tensor file.</param>
/// <param name="Config">Of the configuration; null where there is none.</param>
internal sealed record AdapterHashes(string Tensors, string? Config)
{
    private const int PieceBytes = 1 << 20;

    /// <exception cref="LoraKitException">There is no adapter, or it cannot be read.</exception>
    public static AdapterHashes Of(string path, CancellationToken cancellation)
    {
        AdapterLocation location = AdapterLocation.Find(path);
        return new(OfFile(location.TensorFile, cancellation), location.ConfigFile is { } config ? OfFile(config, cancellation) : null);
    }

    /// <summary>XXH128 of a whole file, in lower-case hexadecimal.</summary>
    public static string OfFile(string path, CancellationToken cancellation)
    {
        using SafeFileHandle handle = RegularFile.OpenAny(path);
        XxHash128 hash = new();
        byte[] piece = new byte[PieceBytes];
        try
        {
            for (long position = 0; ;)
            {
                cancellation.ThrowIfCancellationRequested();
                int read = handle.ReadFully(position, piece);
                hash.Append(piece.AsSpan(0, read));
                position += read;
                if (read < piece.Length) return Convert.ToHexStringLower(hash.GetCurrentHash());
            }
        }
        catch (IOException e)
        {
            throw new InvalidFileException($"{Printable.Text(path)}: cannot be read: {InputErrors.Reason(e)}", path, cause: e);
        }
    }
}

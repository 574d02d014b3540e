using System.IO.Hashing;

namespace LoraKit.Ops.Undo;

/// <summary>
/// A hash of a tensor's bytes that workers make together: XXH128 of each block, then XXH128 of those, each as 16 bytes, most significant first.
/// </summary>
internal sealed class BlockHashes(long blocks)
{
    private const int HashBytes = 16;

    private readonly byte[] _hashes = new byte[checked(blocks * HashBytes)];

    /// <summary>Hashes the blocks of a tile.</summary>
    /// <param name="firstBlock">The tile's first block.</param>
    /// <param name="bytes">The tile.</param>
    /// <param name="blockBytes">Bytes of every block but the last.</param>
    public void Add(long firstBlock, ReadOnlySpan<byte> bytes, int blockBytes)
    {
        for (long block = firstBlock; bytes.Length > 0; block++)
        {
            int now = Math.Min(blockBytes, bytes.Length);
            XxHash128.Hash(bytes[..now], _hashes.AsSpan((int)(block * HashBytes), HashBytes));
            bytes = bytes[now..];
        }
    }

    /// <summary>The whole, in lower-case hexadecimal.</summary>
    public string Finish() => Text(_hashes);

    /// <summary>XXH128 of bytes, in lower-case hexadecimal.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(XxHash128.Hash(bytes));
}

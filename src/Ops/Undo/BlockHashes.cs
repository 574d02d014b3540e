using System.IO.Hashing;

namespace LoraKit.Ops.Undo;

/// <summary>
/// A hash of a tensor's bytes that workers make together: XXH128 of each block, then XXH128 of those, each as 16 bytes, most significant first.
/// </summary>
internal sealed class BlockHashes(long blocks)
{
    private const int HashBytes = 16;

    private readonly byte[] _hashes = new byte[checked(blocks * HashBytes)];

    /// <summary>Hashes a block.</summary>
    /// <param name="block">Which.</param>
    /// <param name="bytes">Its bytes.</param>
    public void Add(long block, ReadOnlySpan<byte> bytes) => XxHash128.Hash(bytes, _hashes.AsSpan((int)(block * HashBytes), HashBytes));

    /// <summary>The whole, in lower-case hexadecimal.</summary>
    public string Finish() => Text(_hashes);

    /// <summary>XXH128 of bytes, in lower-case hexadecimal.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(XxHash128.Hash(bytes));
}

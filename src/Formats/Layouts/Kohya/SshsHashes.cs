using System.Security.Cryptography;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>sd-scripts' hashes of a file, taken while its data goes by. The metadata counts only by the length of its <c>ss_</c> part.</summary>
internal sealed class SshsHashes : IDisposable
{
    private const long LegacyStart = 0x100000;
    private const long LegacyEnd = 0x110000;
    private const int LegacyDigits = 8;

    private readonly IncrementalHash _model = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly IncrementalHash _legacy = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _position;

    /// <param name="header">The header of the file whose data will come.</param>
    public SshsHashes(SafetensorsHeader header)
    {
        // sd-scripts hashes the file it would write with the ss_ keys alone, before it adds its hashes: same data, a shorter header.
        Dictionary<string, string> metadata = header.Metadata
            .Where(entry => entry.Key.StartsWith("ss_", StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);
        ReadOnlySpan<byte> hashed = SafetensorsHeader.Plan(header.Tensors.Select(t => (t.Name, t.DType, t.Shape)), metadata).ToBytes();
        // Written before safetensors padded its headers, and so was what was hashed.
        if (header.DataOffset % 8 != 0) hashed = hashed.TrimEnd((byte)' ');
        AppendLegacy(hashed);
    }

    /// <summary>As many digits as the hashes have, for a header whose length must be known before they are.</summary>
    public static (string Model, string Legacy) Unknown { get; } = (new('0', 2 * SHA256.HashSizeInBytes), new('0', LegacyDigits));

    /// <summary>The next bytes of the file's data.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        _model.AppendData(data);
        AppendLegacy(data);
    }

    /// <summary>SHA-256 of all data, and the first 8 digits of the SHA-256 of the 64 KiB at 1 MiB; lower-case hexadecimal.</summary>
    public (string Model, string Legacy) Finish() =>
        (Convert.ToHexStringLower(_model.GetHashAndReset()), Convert.ToHexStringLower(_legacy.GetHashAndReset())[..LegacyDigits]);

    public void Dispose()
    {
        _model.Dispose();
        _legacy.Dispose();
    }

    private void AppendLegacy(ReadOnlySpan<byte> bytes)
    {
        long from = Math.Clamp(LegacyStart - _position, 0, bytes.Length);
        long to = Math.Clamp(LegacyEnd - _position, from, bytes.Length);
        _legacy.AppendData(bytes[(int)from..(int)to]);
        _position += bytes.Length;
    }
}

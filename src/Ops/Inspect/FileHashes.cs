namespace LoraKit.Ops.Inspect;

/// <summary>A tensor file's hashes, in lower-case hexadecimal.</summary>
/// <param name="Sha256">SHA-256 of the whole file: the one Hugging Face and Civitai show.</param>
/// <param name="XxHash128">XXH128 of the whole file.</param>
/// <param name="SshsModelHash">SHA-256 of everything after the header, as sd-scripts writes it into the metadata; null where there is no such header.</param>
/// <param name="SshsLegacyHash">
/// The first 8 digits of the SHA-256 of the 64 KiB at 1 MiB of the same file with no metadata but the <c>ss_</c> keys, as sd-scripts
/// writes it into the metadata; null where there is no such header.
/// </param>
public sealed record FileHashes(string Sha256, string XxHash128, string? SshsModelHash, string? SshsLegacyHash);

using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Kohya;

namespace LoraKit.Ops.Inspect;

/// <summary>
/// Hashes of its own data that a file states and that are not its data's: A1111 and Civitai go by them. Checked whenever there are any, for
/// an inspection reads all values anyway.
/// </summary>
internal static class WrongHash
{
    /// <summary>Whether the metadata states a hash.</summary>
    public static bool IsStated(IReadOnlyDictionary<string, string> metadata) => Stated(metadata).Any();

    /// <param name="metadata">The file's.</param>
    /// <param name="hashes">Those of the same file.</param>
    public static IEnumerable<AdapterIssue> Find(IReadOnlyDictionary<string, string> metadata, FileHashes hashes)
    {
        foreach ((string key, string stated) in Stated(metadata))
        {
            string? right = key switch
            {
                KohyaMetadata.ModelHash => hashes.SshsModelHash,
                KohyaMetadata.LegacyHash => hashes.SshsLegacyHash,
                _ => hashes.SshsModelHash is { } data ? "0x" + data : null,
            };
            if (right is null || string.Equals(stated, right, StringComparison.OrdinalIgnoreCase)) continue;
            yield return new AdapterIssue("wrong_hash", IssueSeverity.Warning,
                $"{key} says {Printable.Text(stated)}, and the data has {right}: the file was changed without it, and programs that go by the hash take it for another", key);
        }
    }

    // Trainers write the word None for what they do not know.
    private static IEnumerable<(string Key, string Value)> Stated(IReadOnlyDictionary<string, string> metadata) =>
        from key in (string[])[KohyaMetadata.ModelHash, KohyaMetadata.LegacyHash, KohyaMetadata.SpecHash]
        let value = metadata.GetValueOrDefault(key)
        where value is not (null or "" or "None")
        select (key, value);
}

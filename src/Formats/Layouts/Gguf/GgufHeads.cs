using System.Globalization;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>How many heads a module's rows are, where they are in llama.cpp's order.</summary>
internal static class GgufHeads
{
    /// <summary>What messages say where the number is not known.</summary>
    public const string Missing = "head counts missing: the rows of queries and keys are in another order for each; name the base's folder or config.json with --base";

    /// <summary>Whether a module's rows are queries' or keys' of an architecture that orders them.</summary>
    public static bool Concern(GgufArchitecture architecture, string place) =>
        architecture.InterleavesHeads && (IsQuery(place) || place.EndsWith(".attn_k", StringComparison.Ordinal));

    /// <summary>The heads of queries, or of keys; null where it is not known.</summary>
    public static long? Of(BaseFacts facts, string place) => IsQuery(place) ? facts.Heads : facts.KeyValueHeads;

    /// <summary>What is known of the base: by the user and its configuration, else by what a GGUF file said before.</summary>
    /// <param name="known">What an operation knows; null for nothing.</param>
    /// <param name="metadata">The adapter's.</param>
    public static BaseFacts Facts(BaseFacts? known, IReadOnlyDictionary<string, string> metadata)
    {
        string? architecture = known?.Architecture ?? metadata.GetValueOrDefault(GgufKeys.Architecture);
        return (known ?? new()) with
        {
            Architecture = architecture,
            Heads = known?.Heads ?? Number(metadata, GgufKeys.Heads(architecture)),
            KeyValueHeads = known?.KeyValueHeads ?? Number(metadata, GgufKeys.KeyValueHeads(architecture)),
        };
    }

    private static bool IsQuery(string place) => place.EndsWith(".attn_q", StringComparison.Ordinal);

    private static long? Number(IReadOnlyDictionary<string, string> metadata, string key) =>
        long.TryParse(metadata.GetValueOrDefault(key), NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number > 0 ? number : null;
}

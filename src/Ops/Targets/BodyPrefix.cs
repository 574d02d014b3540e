namespace LoraKit.Ops.Targets;

/// <summary>
/// The prefix that a base saved without its head lacks. transformers takes a checkpoint without it for the body of a model, all of it: a
/// head that is put beside such names would be refused, or lost. So where the output has a head that the base lacks, the base's
/// tensors get the prefix that the adapter's model gives them.
/// </summary>
internal static class BodyPrefix
{
    /// <summary>The prefix with its dot; empty where the names are as they should be, or the matches do not agree on one.</summary>
    /// <param name="matches">Names as adapters spell them, with the base's.</param>
    /// <param name="baseNames">All names of the base.</param>
    public static string Missing(IReadOnlyCollection<(string Adapter, string Base)> matches, IEnumerable<string> baseNames)
    {
        string?[] prefixes = [.. matches.Select(m => Between(m.Adapter, BaseNames.Modern(m.Base))).Distinct()];
        return prefixes is [{ Length: > 0 } prefix] && WrapperPrefixes.Of(prefix + "x.y") == prefix
            && !baseNames.Any(n => n.StartsWith(prefix, StringComparison.Ordinal)) ? prefix : "";
    }

    private static string? Between(string longer, string shorter) =>
        longer == shorter ? ""
        : longer.EndsWith("." + shorter, StringComparison.Ordinal) ? longer[..^shorter.Length]
        : null;
}

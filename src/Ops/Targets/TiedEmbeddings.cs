using LoraKit.Formats.Checkpoints;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Input and output embeddings that are one tensor on disk. transformers saves it under one of the two names only; an adapter may name
/// either.
/// </summary>
internal static class TiedEmbeddings
{
    private static readonly string[] InputLeaves = ["embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "shared"];
    private static readonly string[] OutputLeaves = ["lm_head", "embed_out", "proj_out"];

    /// <summary>Whether the last module component before <c>.weight</c> names an input embedding.</summary>
    public static bool IsInput(string tensorName) => HasLeaf(tensorName, InputLeaves);

    /// <summary>Whether the last module component before <c>.weight</c> names an output head.</summary>
    public static bool IsOutput(string tensorName) => HasLeaf(tensorName, OutputLeaves);

    /// <summary>Whether it is what a head adds to its logits: one value for each word.</summary>
    public static bool IsOutputBias(string tensorName) =>
        tensorName.EndsWith(".bias", StringComparison.Ordinal) && IsOutput(tensorName[..^"bias".Length] + "weight");

    /// <summary>The name of a head that stops being its embedding, in the base's spelling of vision-language models.</summary>
    public static string HeadName(string wanted, string embedding) =>
        embedding.StartsWith("language_model.model.", StringComparison.Ordinal) && WrapperPrefixes.Strip(wanted) == "lm_head.weight"
            ? "language_model.lm_head.weight"
            : wanted;

    /// <summary>
    /// The one base tensor that a missing embedding or head is tied to; null where the configuration says that nothing is tied, or the
    /// base does not have exactly one candidate.
    /// </summary>
    public static string? Partner(string missing, Checkpoint @base)
    {
        if (@base.Config?.TiesWordEmbeddings == false) return null;
        Func<string, bool>? other = IsOutput(missing) ? IsInput : IsInput(missing) ? IsOutput : null;
        if (other is null) return null;
        string[] partners = [.. @base.Tensors.Keys.Where(other)];
        return partners.Length == 1 ? partners[0] : null;
    }

    /// <summary>Embedding and head of a base that stores both although its configuration says that they are one; null where it does not.</summary>
    public static (string Input, string Output)? StoredTwice(Checkpoint @base)
    {
        if (@base.Config?.TiesWordEmbeddings != true) return null;
        string[] inputs = [.. @base.Tensors.Keys.Where(IsInput)], outputs = [.. @base.Tensors.Keys.Where(IsOutput)];
        return inputs.Length == 1 && outputs.Length == 1 ? (inputs[0], outputs[0]) : null;
    }

    private static bool HasLeaf(string tensorName, string[] leaves)
    {
        if (!tensorName.EndsWith(".weight", StringComparison.Ordinal)) return false;
        ReadOnlySpan<char> module = tensorName.AsSpan(0, tensorName.Length - ".weight".Length);
        ReadOnlySpan<char> leaf = module[(module.LastIndexOf('.') + 1)..];
        foreach (string candidate in leaves)
        {
            if (leaf.SequenceEqual(candidate)) return true;
        }

        return false;
    }
}

namespace LoraKit.Formats.Files;

/// <summary>Which folders overwriting may replace: only ones that hold nothing but a model.</summary>
internal static class ReplaceableFolder
{
    private const int MaxDepth = 16;

    /// <summary>The first entry that is neither a model's own file nor one of <paramref name="written"/>; null if there is none.</summary>
    /// <param name="folder">The existing folder.</param>
    /// <param name="written">Relative paths with <c>/</c> that the new folder has.</param>
    public static string? Stranger(string folder, IReadOnlyCollection<string> written) =>
        Stranger(new DirectoryInfo(folder), string.Empty, written.ToHashSet(StringComparer.Ordinal), 0);

    private static string? Stranger(DirectoryInfo folder, string prefix, HashSet<string> written, int depth)
    {
        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            string relative = prefix + entry.Name;
            if (entry is DirectoryInfo inner && entry.LinkTarget is null)
            {
                if (depth == MaxDepth || entry.Name[0] == '.') return relative;
                if (Stranger(inner, relative + "/", written, depth + 1) is { } stranger) return stranger;
            }
            else if (!written.Contains(relative) && !(entry is FileInfo && IsModelFile(entry.Name)))
            {
                return relative;
            }
        }

        return null;
    }

    private static bool IsModelFile(string name) => name switch
    {
        "config.json" or "generation_config.json" or "tokenizer.json" or "tokenizer_config.json" or "special_tokens_map.json"
            or "added_tokens.json" or "vocab.json" or "vocab.txt" or "merges.txt" or "tokenizer.model" or "preprocessor_config.json"
            or "processor_config.json" or "chat_template.json" or "chat_template.jinja" or "model_index.json" => true,
        _ => (name.StartsWith("model", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal))
            || name.EndsWith(".safetensors.index.json", StringComparison.Ordinal),
    };
}

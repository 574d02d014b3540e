namespace LoraKit.Formats.Files;

/// <summary>
/// The local Hugging Face cache: <c>models--ORG--NAME/{blobs,refs,snapshots}</c> under one folder. Only looked up, never written,
/// never filled.
/// </summary>
/// <param name="Root">The cache's folder; it need not exist.</param>
public sealed record HuggingFaceCache(string Root)
{
    private const int MaxReferenceBytes = 256;
    private const int MaxIdLength = 96;

    /// <summary>The cache that the environment names.</summary>
    /// <param name="environment">
    /// Looks up a variable: <c>HF_HUB_CACHE</c>, <c>HUGGINGFACE_HUB_CACHE</c>, <c>HF_HOME</c>, <c>XDG_CACHE_HOME</c>, in this order.
    /// </param>
    /// <param name="home">The user's home folder, for <c>~</c> and where none of them is set.</param>
    public static HuggingFaceCache FromEnvironment(Func<string, string?> environment, string home)
    {
        if (Set("HF_HUB_CACHE") is { } hub) return new(hub);
        if (Set("HUGGINGFACE_HUB_CACHE") is { } oldHub) return new(oldHub);
        if (Set("HF_HOME") is { } huggingFace) return new(Path.Combine(huggingFace, "hub"));
        return new(Path.Combine(Set("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "huggingface", "hub"));

        string? Set(string variable)
        {
            string? value = environment(variable);
            if (string.IsNullOrEmpty(value)) return null;
            return value == "~" || value.StartsWith("~/", StringComparison.Ordinal) ? Path.Join(home, value[1..]) : value;
        }
    }

    /// <summary>Whether text could be a model id: <c>org/name</c>, <c>name</c>, or one of them with <c>@revision</c>.</summary>
    public static bool IsModelId(string text) => Parse(text) is not null;

    /// <summary>The snapshot folder of a model id; null where the cache does not hold it.</summary>
    /// <param name="modelId"><c>org/name</c> or <c>org/name@revision</c>; the revision is a branch, a tag or a commit, <c>main</c> if none is given.</param>
    public string? Find(string modelId)
    {
        if (Parse(modelId) is not { } id) return null;
        string repository = Path.Combine(Root, $"models--{id.Name.Replace("/", "--", StringComparison.Ordinal)}");
        string commit = Reference(Path.Combine(repository, "refs", id.Revision)) ?? id.Revision;
        if (!IsOneSegment(commit)) return null;
        string snapshot = Path.Combine(repository, "snapshots", commit);
        return Directory.Exists(snapshot) ? snapshot : null;
    }

    /// <summary>The cached repository that a path without links lies in; null where it lies in none.</summary>
    internal static string? RepositoryAround(string realPath) => RealPath.SelfAndAbove(realPath).FirstOrDefault(path =>
        Path.GetFileName(path) is { } name
        && (name.StartsWith("models--", StringComparison.Ordinal) || name.StartsWith("datasets--", StringComparison.Ordinal)
            || name.StartsWith("spaces--", StringComparison.Ordinal))
        && (Directory.Exists(Path.Combine(path, "snapshots")) || Directory.Exists(Path.Combine(path, "blobs"))));

    private static (string Name, string Revision)? Parse(string text)
    {
        int at = text.IndexOf('@', StringComparison.Ordinal);
        string name = at < 0 ? text : text[..at];
        string revision = at < 0 ? "main" : text[(at + 1)..];
        string[] parts = name.Split('/');
        if (name.Length > MaxIdLength || parts.Length > 2 || !parts.All(IsIdPart)) return null;
        return PathGuard.Refusal(revision, out revision) is null ? (name, revision) : null;
    }

    // The rules of the hub: letters, digits, '-', '_' and '.', no "--" (the cache's separator), no "..", no '-' or '.' at either end.
    private static bool IsIdPart(string part) =>
        part.Length > 0 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        && !part.Contains("--", StringComparison.Ordinal) && !part.Contains("..", StringComparison.Ordinal)
        && part[0] is not ('-' or '.') && part[^1] is not ('-' or '.');

    private static bool IsOneSegment(string commit) =>
        PathGuard.Refusal(commit, out string relative) is null && !relative.Contains('/', StringComparison.Ordinal);

    private static string? Reference(string path)
    {
        if (FileNatures.Of(path) != FileNature.File || new FileInfo(path).Length > MaxReferenceBytes) return null;
        return File.ReadAllText(path).Trim();
    }
}

using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>Which files of a folder are the model: an index with its shards, or one safetensors file.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="IndexFile">The index's name; null where there is none.</param>
/// <param name="SingleFile">The one file's name; null where there is an index.</param>
/// <param name="Rival">A whole-model file beside the index, which the index wins over only if its shards are there; null if there is none.</param>
internal sealed record CheckpointFiles(string Folder, string? IndexFile, string? SingleFile, string? Rival)
{
    private const string Usual = "model.safetensors"; // transformers'
    private const string Diffusers = "diffusion_pytorch_model.safetensors";
    private const int MostNamed = 3;

    /// <exception cref="InputNotFoundException">There is no model in it.</exception>
    /// <exception cref="InvalidFileException">It could be more than one, or is a part of one.</exception>
    /// <exception cref="UnsupportedException">The weights are in another format, or are an adapter's.</exception>
    public static CheckpointFiles Find(string folder)
    {
        string shown = Printable.Text(folder);
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFileSystemEntries(folder).Select(e => Path.GetFileName(e)).Where(n => n[0] != '.').Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"{shown}: cannot be listed: {InputErrors.Reason(e)}", folder, cause: e);
        }

        string[] indexes = [.. names.Where(n => n.EndsWith(ShardIndex.Suffix, StringComparison.Ordinal))];
        string[] singles = [.. names.Where(n => n.EndsWith(".safetensors", StringComparison.Ordinal) && ModelFileKinds.Of(n) == ModelFileKind.Weights)];
        if (Only(indexes, ".index.json") is { } index)
        {
            string whole = index[..^".index.json".Length];
            return new(folder, index, null, singles.Contains(whole) ? whole : null);
        }

        if (indexes.Length > 0) throw Ambiguous(folder, indexes);
        if (Only(singles, "") is { } single) return new(folder, null, single, null);
        if (singles.Length > 0 && singles.All(IsShard))
        {
            throw new InvalidFileException(
                $"{shown}: has shards ({List(singles)}) but no {Usual}.index.json that says what is in them; restore it, or name one file", folder);
        }

        throw singles.Length > 0 ? Ambiguous(folder, singles) : NoModel(folder, shown, names);
    }

    /// <summary>The usual name, without a variant's (<c>model.fp16.safetensors</c>); else the only one.</summary>
    private static string? Only(string[] names, string ending)
    {
        string[] usual = [.. new[] { Usual + ending, Diffusers + ending }.Where(names.Contains)];
        if (usual.Length == 1) return usual[0];
        return names.Length == 1 && !IsShard(names[0]) ? names[0] : null;
    }

    // model-00001-of-00004.safetensors
    private static bool IsShard(string name)
    {
        string stem = Path.GetFileNameWithoutExtension(name);
        int of = stem.LastIndexOf("-of-", StringComparison.Ordinal);
        return of > 0 && of + 4 < stem.Length && stem.AsSpan(of + 4).IndexOfAnyExceptInRange('0', '9') < 0 && char.IsAsciiDigit(stem[of - 1]);
    }

    private static InvalidFileException Ambiguous(string folder, string[] names) => new(
        $"{Printable.Text(folder)}: could be more than one model ({List(names)}); name the file itself", folder);

    private static LoraKitException NoModel(string folder, string shown, string[] names)
    {
        string[] other = [.. names.Where(n => ModelFileKinds.Of(n) is ModelFileKind.Weights && !Directory.Exists(Path.Combine(folder, n)))];
        if (other.Length > 0)
        {
            return new UnsupportedException(
                $"{shown}: has weights only in a format that is not read ({List(other)}); a base model is read from safetensors: convert it first", folder);
        }

        if (names.Any(n => ModelFileKinds.Of(n) == ModelFileKind.Adapter))
        {
            return new UnsupportedException($"{shown}: holds an adapter, not a base model; name the model's folder", folder);
        }

        string[] inner = [.. names.Where(n => HasModel(Path.Combine(folder, n)))];
        return inner.Length > 0
            ? new InputNotFoundException($"{shown}: has no model of its own, but its folders do ({List(inner)}); name one of them", folder)
            : new InputNotFoundException($"{shown}: no model in it; expected {Usual} or {Usual}.index.json", folder);
    }

    private static bool HasModel(string folder)
    {
        try
        {
            return Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.safetensors").Any();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string List(string[] names)
    {
        string shown = string.Join(", ", names.Take(MostNamed).Select(n => Printable.Text(n)));
        return names.Length > MostNamed ? $"{shown} and {names.Length - MostNamed} more" : shown;
    }
}

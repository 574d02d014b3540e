using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>A folder of diffusers': a <c>model_index.json</c> that names the models of a pipeline, each in a folder of its own.</summary>
/// <param name="Models">Those with safetensors files, in the order of their names.</param>
/// <param name="Unread">Those with weights only in other formats.</param>
internal sealed record PipelineFolder(IReadOnlyList<(string Name, CheckpointFiles Files)> Models, IReadOnlyList<string> Unread)
{
    private const string Index = "model_index.json";

    /// <summary>Looks at a folder; null where it is no pipeline's, or none of its models can be read.</summary>
    /// <exception cref="InvalidFileException">The index is no JSON object, or one of the models is a part of one, or could be several.</exception>
    public static PipelineFolder? Find(string folder)
    {
        string index = Path.Combine(folder, Index);
        if (FileNatures.Of(index) != FileNature.File) return null;
        List<(string, CheckpointFiles)> models = [];
        List<string> unread = [];
        foreach (string name in ModelConfig.Read(index).Json.Select(setting => setting.Key).Where(IsFolderName).Order(StringComparer.Ordinal))
        {
            string inner = Path.Combine(folder, name);
            if (FileNatures.Of(inner) != FileNature.Folder) continue;
            if (HasFiles(inner, IsReadable)) models.Add((name, CheckpointFiles.Find(inner)));
            else if (HasFiles(inner, file => ModelFileKinds.Of(file) == ModelFileKind.Weights)) unread.Add(name);
        }

        return models.Count == 0 ? null : new(models, unread);
    }

    // A dot would make the names of its tensors another's.
    private static bool IsFolderName(string name) =>
        name.Length > 0 && name[0] != '_' && !name.Contains('.') && !name.AsSpan().ContainsAny('/', '\\') && PathGuard.Refusal(name, out _) is null;

    private static bool IsReadable(string file) => file.EndsWith(ShardIndex.Suffix, StringComparison.Ordinal)
        || (file.EndsWith(".safetensors", StringComparison.Ordinal) && ModelFileKinds.Of(file) == ModelFileKind.Weights);

    private static bool HasFiles(string folder, Func<string, bool> @is)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Any(name => name[0] != '.' && @is(name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"{Printable.Text(folder)}: cannot be listed: {InputErrors.Reason(e)}", folder, cause: e);
        }
    }
}

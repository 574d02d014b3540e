namespace LoraKit.Formats.Files;

/// <summary>What an output may not be.</summary>
internal static class OutputChecks
{
    /// <summary>Refuses an output that would harm something. Reads only.</summary>
    /// <param name="place">Where it is to go.</param>
    /// <param name="nature">A file or a folder.</param>
    /// <param name="options">Inputs, and whether to replace.</param>
    /// <param name="written">The names that the output has, where they are known.</param>
    /// <exception cref="OutputException">It exists, is or touches an input, or its parent is no folder.</exception>
    public static void Run(OutputPlace place, FileNature nature, AtomicOutputOptions options, IReadOnlyCollection<string>? written)
    {
        string shown = Printable.Text(place.Final);
        try
        {
            if (new FileInfo(place.Final).LinkTarget is { } target)
            {
                throw new OutputException(
                    $"{shown}: is a symbolic link (to {Printable.Text(target)}), which is never written through; name the place itself, or remove the link",
                    place.Final);
            }

            CheckParent(place, shown);
            InputOverlap.Refuse(place, options.Inputs);
            if (HuggingFaceCache.RepositoryAround(RealPath.Of(place.Final)) is { } repository)
            {
                throw new OutputException(
                    $"{shown}: lies in the Hugging Face cache ({Printable.Text(repository)}), whose files are shared; choose another place", place.Final);
            }

            CheckExisting(place, shown, nature, options, written);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(place.Final, "cannot be checked", e);
        }
    }

    private static void CheckParent(OutputPlace place, string shown)
    {
        string? existing = RealPath.SelfAndAbove(place.Parent).FirstOrDefault(p => FileNatures.Of(p) != FileNature.Missing || new FileInfo(p).LinkTarget is not null);
        if (existing is not null && FileNatures.Of(existing) != FileNature.Folder)
        {
            throw new OutputException($"{shown}: {Printable.Text(existing)} is not a folder; choose another place", place.Final);
        }
    }

    private static void CheckExisting(
        OutputPlace place, string shown, FileNature nature, AtomicOutputOptions options, IReadOnlyCollection<string>? written)
    {
        FileNature existing = FileNatures.Of(place.Final);
        if (existing == FileNature.Missing) return;
        if (!options.Overwrite) throw new OutputException($"{shown}: exists already; choose another name, or allow overwriting", place.Final);
        if (existing != nature)
        {
            string found = existing switch
            {
                FileNature.Folder => "a folder",
                FileNature.File => "a file",
                _ => "a device or pipe",
            };
            string expected = nature == FileNature.Folder ? "a folder" : "a file";
            throw new OutputException($"{shown}: is {found}, and {expected} is to be written; choose another name", place.Final);
        }

        if (nature == FileNature.Folder && written is not null && ReplaceableFolder.Stranger(place.Final, written) is { } stranger)
        {
            throw new OutputException(
                $"{shown}: holds {Printable.Text(stranger)}, which is no file of a model, so the folder is not replaced; choose another name, or remove it yourself",
                place.Final);
        }
    }
}

namespace LoraKit.Formats.Files;

/// <summary>What a killed writer left beside its output. Touched only under the output's lock.</summary>
internal static class Leftovers
{
    /// <summary>Brings back a folder that was about to be replaced, and removes the rest.</summary>
    /// <exception cref="IOException">Something cannot be removed.</exception>
    public static void Clear(OutputPlace place)
    {
        if (Directory.Exists(place.Replaced))
        {
            if (FileNatures.Of(place.Final) == FileNature.Missing) Directory.Move(place.Replaced, place.Final);
            else Remove(place.Replaced);
        }

        Remove(place.Partial);
    }

    /// <summary>Removes a file, a link itself, or a folder with all in it; links in it are not followed.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public static void Remove(string path)
    {
        if (Directory.Exists(path) && new FileInfo(path).LinkTarget is null) Directory.Delete(path, recursive: true);
        else File.Delete(path);
    }

    /// <summary>As <see cref="Remove"/>, as far as it goes: what stays is hidden, and the next writer tries again.</summary>
    public static void TryRemove(string path)
    {
        try
        {
            Remove(path);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
        }
    }
}

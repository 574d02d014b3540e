namespace LoraKit.Formats.Files;

/// <summary>The folders above an output that had to be made for it: gone again unless the output stays.</summary>
internal sealed class ParentFolders : IDisposable
{
    private readonly IReadOnlyList<string> _made; // Innermost first.
    private bool _kept;

    private ParentFolders(IReadOnlyList<string> made) => _made = made;

    /// <exception cref="OutputException">One of them cannot be made.</exception>
    public static ParentFolders Make(OutputPlace place)
    {
        ParentFolders parents = new([.. RealPath.SelfAndAbove(place.Parent).TakeWhile(p => !Directory.Exists(p))]);
        try
        {
            Directory.CreateDirectory(place.Parent);
            return parents;
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            parents.Dispose();
            throw OutputErrors.Of(place.Final, $"the folder {Printable.Text(place.Parent)} cannot be made", e);
        }
    }

    /// <summary>Makes their names durable.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public void Flush()
    {
        foreach (string folder in _made)
        {
            NativeFiles.FlushFolder(Path.GetDirectoryName(folder)!);
        }
    }

    /// <summary>They stay.</summary>
    public void Keep() => _kept = true;

    public void Dispose()
    {
        if (_kept) return;
        foreach (string folder in _made)
        {
            try
            {
                Directory.Delete(folder); // Only if it is empty: others may use it by now.
            }
            catch (Exception e) when (OutputErrors.IsRefusal(e))
            {
                // Never made, or in use.
            }
        }
    }
}

namespace LoraKit.Formats.Files;

/// <summary>The step from the hidden name to the final one.</summary>
internal static class Publication
{
    /// <summary>
    /// Gives the partial output its final name. What was there before bears the partial name afterwards. If flushing the parent fails, the
    /// step is taken back.
    /// </summary>
    /// <returns>How to take the step back, as far as it was one step.</returns>
    /// <exception cref="IOException">It failed; the final name is as before.</exception>
    public static Action Run(OutputPlace place, FileNature nature, bool flush)
    {
        Action undo = FileNatures.Of(place.Final) == FileNature.Missing ? Appear(place) : Replace(place, nature);
        if (!flush) return undo;
        try
        {
            NativeFiles.FlushFolder(place.Parent);
            return undo;
        }
        catch (IOException)
        {
            undo();
            throw;
        }
    }

    private static Action Appear(OutputPlace place)
    {
        // Where the system cannot refuse a taken name in the same step, the check just before must do.
        if (!NativeFiles.TryRenameNew(place.Partial, place.Final)) Move(place.Partial, place.Final);
        return () => Move(place.Final, place.Partial);
    }

    private static Action Replace(OutputPlace place, FileNature nature)
    {
        if (NativeFiles.TryExchange(place.Partial, place.Final)) return () => NativeFiles.TryExchange(place.Partial, place.Final);
        if (nature == FileNature.File)
        {
            Move(place.Partial, place.Final);
            return () => { }; // The old file is gone; the new one is whole.
        }

        Move(place.Final, place.Replaced);
        try
        {
            Move(place.Partial, place.Final);
        }
        catch (IOException)
        {
            Move(place.Replaced, place.Final);
            throw;
        }

        Move(place.Replaced, place.Partial);
        return () => { };
    }

    private static void Move(string from, string to)
    {
        if (!OperatingSystem.IsWindows()) NativeFiles.Rename(from, to);
        else if (Directory.Exists(from)) Directory.Move(from, to);
        else File.Move(from, to, overwrite: true);
    }
}

namespace LoraKit.Formats.Files;

/// <summary>
/// One writer at a time per output: an advisory lock on a hidden file beside it. The system drops the lock of a killed program, and the
/// next writer takes over and removes the file.
/// </summary>
internal sealed class OutputLock : IDisposable
{
    private readonly FileStream _file;

    private OutputLock(FileStream file) => _file = file;

    /// <exception cref="OutputException">Another writer holds it, or the folder cannot be written.</exception>
    public static OutputLock Take(OutputPlace place)
    {
        if (new FileInfo(place.Lock).LinkTarget is not null) throw OutputErrors.Of(place.Final, "cannot be locked", new IOException($"{place.Lock} is a symbolic link; remove it"));
        try
        {
            // Removed on closing while the lock is still held; opening then notices a file that vanished and tries again.
            return new(new(place.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose));
        }
        catch (IOException e) when (File.Exists(place.Lock))
        {
            throw new OutputException($"{Printable.Text(place.Final)}: is being written by another program; wait for it, or choose another name", place.Final, e);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(place.Final, "cannot be written", e);
        }
    }

    public void Dispose() => _file.Dispose();
}

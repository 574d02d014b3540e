namespace LoraKit.Formats.Files;

/// <summary>
/// One writer at a time per output: an advisory lock on a hidden file beside it. The system drops the lock of a killed program, and the
/// next writer takes over and removes the file.
/// </summary>
internal sealed class OutputLock : IDisposable
{
    private const int HeldOnLinux = 11; // EWOULDBLOCK
    private const int HeldOnMac = 35;
    private const int HeldOnWindows = unchecked((int)0x80070020); // ERROR_SHARING_VIOLATION

    private readonly FileStream _file;

    private OutputLock(FileStream file) => _file = file;

    /// <exception cref="OutputException">Another writer holds it, or the folder cannot be written.</exception>
    public static OutputLock Take(OutputPlace place)
    {
        if (new FileInfo(place.Lock).LinkTarget is not null)
        {
            throw new OutputException($"{Printable.Text(place.Final)}: cannot be locked: {Printable.Text(place.Lock)} is a symbolic link; remove it", place.Final);
        }

        try
        {
            // Removed on closing while the lock is still held; opening then notices a file that vanished and tries again.
            return new(new(place.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose));
        }
        catch (IOException e) when (e.HResult is HeldOnLinux or HeldOnMac or HeldOnWindows)
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

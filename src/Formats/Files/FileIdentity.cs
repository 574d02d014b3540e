namespace LoraKit.Formats.Files;

/// <summary>Which file a name leads to, whatever its spelling: links are followed, hard links are the same file.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode)
{
    /// <summary>Null where nothing is there, or the system has no cheap way to tell.</summary>
    public static FileIdentity? Of(string path) => NativeFiles.TryStatus(path, out NativeFiles.StatusBuffer status)
        ? new(status.DeviceMajor, status.DeviceMinor, status.Inode)
        : null;
}

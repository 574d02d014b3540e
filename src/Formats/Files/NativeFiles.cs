using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Files;

/// <summary>System calls that .NET has no name for.</summary>
internal static partial class NativeFiles
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int NoReplace = 1; // RENAME_NOREPLACE
    private const int Swap = 2; // RENAME_EXCHANGE
    private const int WriteRange = 2; // SYNC_FILE_RANGE_WRITE
    private const int ReadOnlyCloseOnExec = 0x80000; // O_RDONLY | O_CLOEXEC on Linux
    private const int ReadOnlyCloseOnExecMac = 0x1000000;

    /// <summary>Renames without replacing. False where the system cannot promise that.</summary>
    /// <exception cref="IOException">The rename failed, or the new name is taken.</exception>
    public static bool TryRenameNew(string from, string to) => TryRename(from, to, NoReplace);

    /// <summary>Swaps two names in one step. False where the system cannot.</summary>
    /// <exception cref="IOException">The exchange failed.</exception>
    public static bool TryExchange(string one, string other) => TryRename(one, other, Swap);

    /// <summary>rename(2): replaces a file; never copies.</summary>
    /// <exception cref="IOException">The rename failed.</exception>
    public static void Rename(string from, string to)
    {
        if (rename(from, to) != 0) throw LastError($"cannot rename to {to}");
    }

    /// <summary>Makes a file's bytes durable. On Linux by fsync itself: what .NET has for it keeps an input/output error to itself.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void FlushFile(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux()) RandomAccess.FlushToDisk(file);
        else if (fsync(file) != 0) throw LastError("fsync failed");
    }

    /// <summary>Lets the disk begin with a range, without waiting for it. A hint: what fails shows when the file is flushed.</summary>
    public static void StartWriteBack(SafeFileHandle file, long offset, long length)
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = sync_file_range(file, offset, length, WriteRange);
        }
        catch (EntryPointNotFoundException)
        {
        }
    }

    /// <summary>Makes the names in a folder durable.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return; // NTFS journals names; there is no call for it.
        using SafeFileHandle folder = open(path, OperatingSystem.IsLinux() ? ReadOnlyCloseOnExec : ReadOnlyCloseOnExecMac);
        if (folder.IsInvalid) throw LastError($"cannot open {path}");
        if (fsync(folder) == 0) return;
        int error = Marshal.GetLastPInvokeError();
        if (error is not (ErrorNumber.InvalidArgument or ErrorNumber.NotSupported)) throw LastError($"cannot flush {path}"); // Some file systems have none.
    }

    /// <summary>Copies inside the kernel. Returns how many bytes it did; 0 where it cannot, or at the end of the source.</summary>
    public static long CopyRange(SafeFileHandle source, long sourceOffset, SafeFileHandle target, long targetOffset, long length)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        try
        {
            return Math.Max(0, copy_file_range(source, ref sourceOffset, target, ref targetOffset, (nuint)length, 0));
        }
        catch (EntryPointNotFoundException)
        {
            return 0;
        }
    }

    /// <summary>What a name stands for; false where nothing is there or the system does not tell.</summary>
    public static bool TryStatus(string path, out StatusBuffer status)
    {
        status = default;
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            return statx(CurrentFolder, path, 0, 0x7ff, out status) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
    }

    private static bool TryRename(string from, string to, uint flags)
    {
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            if (renameat2(CurrentFolder, from, CurrentFolder, to, flags) == 0) return true;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }

        int error = Marshal.GetLastPInvokeError();
        if (error is ErrorNumber.InvalidArgument or ErrorNumber.NoSuchCall or ErrorNumber.NotSupported) return false;
        throw LastError($"cannot rename to {to}");
    }

    private static IOException LastError(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle file);

    [LibraryImport("libc")]
    private static partial int sync_file_range(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint copy_file_range(
        SafeFileHandle source, ref long sourceOffset, SafeFileHandle target, ref long targetOffset, nuint length, uint flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, out StatusBuffer status);

    /// <summary>Linux's <c>struct statx</c>: the same on every processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatusBuffer
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}

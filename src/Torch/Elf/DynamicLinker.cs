using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Torch.Elf;

/// <summary>The dynamic linker of Linux, with every symbol bound at once: one that is missing is an error now and not an abort later.</summary>
internal static unsafe partial class DynamicLinker
{
    private const int BindNow = 2;
    private const uint CloseOnExec = 1;
    private const uint Executable = 0x10;

    /// <summary>Loads a library and keeps it.</summary>
    /// <exception cref="DllNotFoundException">It does not load; the message is the dynamic linker's.</exception>
    public static nint Load(string path)
    {
        byte[] spelt = Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* text = spelt)
        {
            // The message is forgotten at the thread's next call of the dynamic linker, and the runtime makes one whenever it binds a
            // function: so this one is bound beforehand, and nothing but bytes is passed between.
            _ = dlerror();
            nint handle = dlopen(text, BindNow);
            if (handle != 0) return handle;
            byte* message = dlerror();
            throw new DllNotFoundException(message is null ? $"'{path}' does not load" : Marshal.PtrToStringUTF8((nint)message));
        }
    }

    /// <summary>Loads a library from bytes, through a file that exists in memory alone. Its SONAME is what it was on disk.</summary>
    /// <param name="library">The whole file.</param>
    /// <param name="name">What it is called in lists of mapped files.</param>
    public static nint Load(ReadOnlySpan<byte> library, string name)
    {
        using SafeFileHandle file = CreateMemoryFile(name);
        RandomAccess.Write(file, library, 0);
        string path = $"/proc/self/fd/{file.DangerousGetHandle()}";
        try
        {
            return Load(path);
        }
        catch (DllNotFoundException e)
        {
            // The descriptor's number says nothing to a reader.
            throw new DllNotFoundException(e.Message.Replace(path, name, StringComparison.Ordinal), e);
        }
    }

    private static SafeFileHandle CreateMemoryFile(string name)
    {
        // Kernels before 6.3 do not know the second flag and refuse it; later ones may be set up to ask for it.
        int descriptor = memfd_create(name, CloseOnExec | Executable);
        if (descriptor < 0) descriptor = memfd_create(name, CloseOnExec);
        if (descriptor < 0)
        {
            throw new DllNotFoundException($"no file in memory could be made for {name}: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }

        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    [LibraryImport("libc")]
    private static partial nint dlopen(byte* path, int mode);

    [LibraryImport("libc")]
    private static partial byte* dlerror();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int memfd_create(string name, uint flags);
}

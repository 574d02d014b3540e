using System.Runtime.InteropServices;
using System.Text;

namespace LoraKit.Torch.Loading;

/// <summary>Asks the CUDA driver what devices there are: libtorch's own interface does not tell their names and memory.</summary>
internal static unsafe class CudaDriver
{
    private const int NameLength = 256;

    /// <summary>The driver's devices; empty where there is no driver or it fails.</summary>
    /// <param name="problem">Why there are none; null where there are some.</param>
    public static IReadOnlyList<CudaDevice> Devices(out string? problem)
    {
        string library = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (!NativeLibrary.TryLoad(library, out nint driver))
        {
            problem = $"there is no NVIDIA driver ({library} does not load)";
            return [];
        }

        try
        {
            return Devices(driver, out problem);
        }
        catch (EntryPointNotFoundException e)
        {
            problem = $"the NVIDIA driver is too old: {e.Message}";
            return [];
        }
    }

    private static List<CudaDevice> Devices(nint driver, out string? problem)
    {
        var init = (delegate* unmanaged<uint, int>)NativeLibrary.GetExport(driver, "cuInit");
        var count = (delegate* unmanaged<int*, int>)NativeLibrary.GetExport(driver, "cuDeviceGetCount");
        var get = (delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(driver, "cuDeviceGet");
        var name = (delegate* unmanaged<byte*, int, int, int>)NativeLibrary.GetExport(driver, "cuDeviceGetName");
        var memory = (delegate* unmanaged<nuint*, int, int>)NativeLibrary.GetExport(driver, "cuDeviceTotalMem_v2");

        int devices = 0;
        int error = init(0);
        if (error == 0) error = count(&devices);
        problem = error != 0 ? $"the NVIDIA driver reports error {error}" : devices == 0 ? "the NVIDIA driver sees no device" : null;

        List<CudaDevice> found = [];
        byte* text = stackalloc byte[NameLength];
        for (int i = 0; i < devices; i++)
        {
            int device;
            nuint bytes;
            if (get(&device, i) != 0 || name(text, NameLength, device) != 0) continue;
            ReadOnlySpan<byte> spelt = new(text, NameLength);
            int end = spelt.IndexOf((byte)0);
            found.Add(new CudaDevice(i, Encoding.ASCII.GetString(end < 0 ? spelt : spelt[..end]), memory(&bytes, device) == 0 ? (long)bytes : null));
        }

        return found;
    }
}

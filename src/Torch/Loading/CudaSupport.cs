using LoraKit.Formats;
using TorchSharp;

namespace LoraKit.Torch.Loading;

/// <summary>Whether a loaded libtorch can compute on CUDA.</summary>
internal static class CudaSupport
{
    /// <summary>The device that is meant: <c>auto</c> is the first CUDA device where there is one, else the CPU.</summary>
    /// <exception cref="BackendUnavailableException">The device is not there; the message says what was tried.</exception>
    public static TorchDevice Resolve(TorchDevice device, LibTorch library)
    {
        if (device.Kind == TorchDeviceKind.Cpu) return device;
        string? problem = Problem(library);
        if (device.Kind == TorchDeviceKind.Auto) return new TorchDevice(problem is null ? TorchDeviceKind.Cuda : TorchDeviceKind.Cpu, 0);
        if (problem is not null) throw new BackendUnavailableException($"device {device} cannot be had: {problem}");

        int count = torch.cuda.device_count();
        if (device.Index >= count) throw new BackendUnavailableException($"device {device} cannot be had: there are {count}, cuda:0 to cuda:{count - 1}");
        return device;
    }

    /// <summary>Why it cannot, with all that was looked at; null where it can.</summary>
    public static string? Problem(LibTorch library)
    {
        LibTorchLocation location = library.Location;
        string found = $"libtorch {location.Version} of '{location.Directory}' ({location.Origin})";
        if (!location.HasCuda)
        {
            return $"{found} was built without CUDA (no torch_cuda library there); point --libtorch at one with it, such as torch/lib of a CUDA PyTorch"
                + $" {TorchVersions.LibTorch}";
        }

        if (torch.cuda.is_available()) return null;
        CudaDriver.Devices(out string? problem);
        return $"{found} has its CUDA library, but finds CUDA not available: {problem ?? "the driver works, so it may be too old for this libtorch"}";
    }
}

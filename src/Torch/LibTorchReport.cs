using LoraKit.Formats;
using LoraKit.Torch.Loading;

namespace LoraKit.Torch;

/// <summary>What became of looking for libtorch, loading it, and asking it for CUDA.</summary>
public sealed record LibTorchReport
{
    /// <summary>Whether libtorch is loaded and computes.</summary>
    public bool Loaded => Problem is null;

    /// <summary>Why it is not loaded and how to get it; null where it is.</summary>
    public string? Problem { get; init; }

    /// <summary>The directory it was loaded from.</summary>
    public string? Directory { get; init; }

    /// <summary>Why that one: <c>--libtorch</c>, <c>LORAKIT_LIBTORCH</c>, beside the application, NuGet packages folder.</summary>
    public string? Origin { get; init; }

    /// <summary>Its version; null where it does not tell.</summary>
    public string? Version { get; init; }

    /// <summary>The version that TorchSharp was built for.</summary>
    public string ExpectedVersion { get; init; } = TorchVersions.LibTorch;

    /// <summary>Whether it is another version than TorchSharp was built for: all that TorchSharp calls is there, but its layout may differ.</summary>
    public bool VersionDiffers => Loaded && Version != ExpectedVersion;

    /// <summary>The version of TorchSharp.</summary>
    public string TorchSharpVersion { get; init; } = TorchVersions.TorchSharp;

    /// <summary>TorchSharp's native library.</summary>
    public string? TorchSharpLibrary { get; init; }

    /// <summary>
    /// Whether the system's C++ library is older than TorchSharp's library asks for, so that a copy in memory was loaded in which that one
    /// version need is weak. No file was changed.
    /// </summary>
    public bool Mended { get; init; }

    /// <summary>How many threads libtorch is set to use within one operation on the CPU now; null where it is not loaded.</summary>
    public int? Threads { get; init; }

    /// <summary>Whether libtorch can compute on CUDA.</summary>
    public bool CudaAvailable { get; init; }

    /// <summary>Why it cannot; null where it can, or where libtorch is not loaded.</summary>
    public string? CudaProblem { get; init; }

    /// <summary>The devices that the CUDA driver sees, whether libtorch can use them or not.</summary>
    public IReadOnlyList<CudaDevice> Devices { get; init; } = [];

    /// <summary>Looks, loads and asks. Whatever cannot be had is said in the report, not thrown.</summary>
    /// <remarks>Loading takes about 0.3 s and stays for the life of the process; see <see cref="TorchCompute"/>.</remarks>
    public static LibTorchReport Create(TorchOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        IReadOnlyList<CudaDevice> devices = CudaDriver.Devices(out _);
        try
        {
            LibTorch library = LibTorch.Load(LibTorchSearch.FromEnvironment(options.LibTorchDirectory));
            string? cudaProblem = CudaSupport.Problem(library);
            return new LibTorchReport
            {
                Directory = library.Location.Directory,
                Origin = library.Location.Origin,
                Version = library.Location.Version,
                TorchSharpLibrary = library.Location.TorchSharpLibrary,
                Mended = library.Mended,
                Threads = TorchSharp.torch.get_num_threads(),
                CudaAvailable = cudaProblem is null,
                CudaProblem = cudaProblem,
                Devices = devices,
            };
        }
        catch (BackendUnavailableException e)
        {
            return new LibTorchReport { Problem = e.Message, Devices = devices };
        }
    }
}

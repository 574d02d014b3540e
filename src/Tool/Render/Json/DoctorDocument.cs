using LoraKit.Torch;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>doctor --json</c> prints.</summary>
internal sealed record DoctorDocument : CommandDocument
{
    public required RuntimeBody Runtime { get; init; }

    public required SimdBody Simd { get; init; }

    public required LibTorchBody Libtorch { get; init; }

    public required CudaBody Cuda { get; init; }

    public required CacheBody HuggingFaceCache { get; init; }
}

/// <summary>What the tool runs on.</summary>
internal sealed record RuntimeBody(string Framework, string Os, string Architecture, int Processors, long MemoryBytes);

/// <summary>The managed backend and the vectors this processor has.</summary>
internal sealed record SimdBody(string Backend, int VectorBits, IReadOnlyList<string> InstructionSets);

/// <summary>Whether libtorch was found and computes, or why not and how to get it.</summary>
internal sealed record LibTorchBody(
    bool Loaded, string? Problem, string? Directory, string? Origin, string? Version, string ExpectedVersion, string TorchSharpVersion, bool Mended)
{
    public static LibTorchBody Of(LibTorchReport report) => new(
        report.Loaded, report.Problem, report.Directory, report.Origin, report.Version, report.ExpectedVersion, report.TorchSharpVersion, report.Mended);
}

/// <summary>Whether libtorch can use CUDA, and the devices that the driver sees.</summary>
internal sealed record CudaBody(bool Available, string? Problem, IReadOnlyList<CudaDeviceBody> Devices)
{
    public static CudaBody Of(LibTorchReport report) => new(
        report.CudaAvailable, report.CudaProblem, [.. report.Devices.Select(d => new CudaDeviceBody(d.Index, d.Name, d.MemoryBytes))]);
}

/// <summary>One CUDA device.</summary>
internal sealed record CudaDeviceBody(int Index, string Name, long? MemoryBytes);

/// <summary>The local Hugging Face cache.</summary>
internal sealed record CacheBody(string Path, bool Exists);

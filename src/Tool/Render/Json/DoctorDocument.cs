namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>doctor --json</c> prints.</summary>
internal sealed record DoctorDocument : CommandDocument
{
    public required RuntimeBody Runtime { get; init; }

    public required SimdBody Simd { get; init; }

    public required LibTorchBody LibTorch { get; init; }

    public required IReadOnlyList<string> CudaDevices { get; init; }

    public required CacheBody HuggingFaceCache { get; init; }
}

/// <summary>What the tool runs on.</summary>
internal sealed record RuntimeBody(string Framework, string Os, string Architecture, int Processors, long MemoryBytes);

/// <summary>The managed kernels' width.</summary>
internal sealed record SimdBody(int Bits, IReadOnlyList<string> InstructionSets);

/// <summary>Whether libtorch would be found.</summary>
internal sealed record LibTorchBody(bool Found, string? Directory, string? Version, bool Mended, string Message);

/// <summary>The local Hugging Face cache.</summary>
internal sealed record CacheBody(string Path, bool Exists);

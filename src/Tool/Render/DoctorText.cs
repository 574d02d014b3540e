using LoraKit.Tool.Render.Json;

namespace LoraKit.Tool.Render;

/// <summary>The doctor's findings for people.</summary>
internal static class DoctorText
{
    public static void Write(TextWriter output, DoctorDocument doctor)
    {
        Line(output, "dotnet lora", doctor.Version);
        Line(output, "runtime", $"{doctor.Runtime.Framework}, {doctor.Runtime.Architecture}");
        Line(output, "system", doctor.Runtime.Os);
        Line(output, "processors", $"{doctor.Runtime.Processors}, {Words.Bytes(doctor.Runtime.MemoryBytes)} of memory");
        Line(output, "simd", $"{doctor.Simd.Backend}, {doctor.Simd.VectorBits} bits ({string.Join(", ", doctor.Simd.InstructionSets)})");
        WriteLibTorch(output, doctor.Libtorch);
        WriteCuda(output, doctor.Cuda, doctor.Libtorch.Loaded);
        Line(output, "model cache", doctor.HuggingFaceCache.Exists ? doctor.HuggingFaceCache.Path : $"{doctor.HuggingFaceCache.Path} (not there)");
    }

    private static void WriteLibTorch(TextWriter output, LibTorchBody libTorch)
    {
        if (!libTorch.Loaded)
        {
            Line(output, "libtorch", $"not loaded: {libTorch.Problem}");
            return;
        }

        Line(output, "libtorch",
            $"{libTorch.Version ?? "of unknown version"} in {libTorch.Directory} ({libTorch.Origin}); TorchSharp {libTorch.TorchSharpVersion}");
        if (libTorch.Mended)
        {
            Line(output, "", "this system's C++ library is older than TorchSharp asks for: a copy in memory was mended, no file was changed");
        }
    }

    private static void WriteCuda(TextWriter output, CudaBody cuda, bool libTorchLoaded)
    {
        foreach (CudaDeviceBody device in cuda.Devices)
        {
            Line(output, $"cuda:{device.Index}", device.MemoryBytes is { } memory ? $"{device.Name}, {Words.Bytes(memory)}" : device.Name);
        }

        if (cuda.Devices.Count == 0) Line(output, "cuda", cuda.Problem ?? "no device");
        else if (cuda.Available) Line(output, "", "libtorch can use them");
        else Line(output, "", $"not usable: {cuda.Problem ?? (libTorchLoaded ? "libtorch does not say why" : "libtorch is not loaded")}");
    }

    private static void Line(TextWriter output, string label, string value) => output.WriteLine($"{label,-12}  {TerminalText.Escape(value)}");
}

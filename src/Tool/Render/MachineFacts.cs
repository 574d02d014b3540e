using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using LoraKit.Ops.Compute;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render.Json;

namespace LoraKit.Tool.Render;

/// <summary>What <c>doctor</c> tells of the machine.</summary>
internal static class MachineFacts
{
    public static RuntimeBody Runtime() => new(
        RuntimeInformation.FrameworkDescription, RuntimeInformation.OSDescription, RuntimeInformation.ProcessArchitecture.ToString(),
        Environment.ProcessorCount, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    public static SimdBody Simd()
    {
        using SimdCompute compute = new();
        (bool Supported, string Name)[] sets =
        [
            (Avx2.IsSupported, "AVX2"), (Fma.IsSupported, "FMA"), (Avx512F.IsSupported, "AVX-512F"), (Avx512BW.IsSupported, "AVX-512BW"),
            (AdvSimd.IsSupported, "AdvSimd"),
        ];
        int bits = Vector512.IsHardwareAccelerated ? 512 : Vector<byte>.Count * 8;
        return new SimdBody(compute.Name, bits, [.. sets.Where(s => s.Supported).Select(s => s.Name)]);
    }

    public static CacheBody HuggingFaceCache(ToolEnvironment environment)
    {
        string root = PathArgument.Cache(environment).Root;
        return new CacheBody(root, Directory.Exists(root));
    }
}

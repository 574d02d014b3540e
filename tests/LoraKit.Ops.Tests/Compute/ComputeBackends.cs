using LoraKit.Ops.Compute;
using LoraKit.Tests;
using LoraKit.Torch;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>Every backend that runs on this machine, by name: the same tests go over all of them.</summary>
internal static class ComputeBackends
{
    private static readonly Dictionary<string, Func<ICompute>> Managed = Enum.GetValues<SimdWidth>()
        .Where(SimdCompute.IsSupported)
        .ToDictionary(
            width =>
            {
                using SimdCompute compute = new(width);
                return compute.Name;
            },
            width => (Func<ICompute>)(() => new SimdCompute(width)));

    private static readonly Dictionary<string, Func<ICompute>> Torch = TestDevices.All.ToDictionary(
        device => $"torch-{device}",
        device => (Func<ICompute>)(() => TorchCompute.Create(new TorchOptions { Device = device })));

    public static TheoryData<string> Names => [.. Managed.Keys, .. Torch.Keys];

    /// <summary>Those that sum in one order and add exactly, so that no bit depends on the tiles.</summary>
    public static TheoryData<string> InOrder => [.. Managed.Keys];

    public static ICompute Create(string name) => (Managed.GetValueOrDefault(name) ?? Torch[name])();
}

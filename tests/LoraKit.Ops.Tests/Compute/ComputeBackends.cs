using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>Every backend that runs on this machine, by name: the same tests go over all of them.</summary>
internal static class ComputeBackends
{
    private static readonly Dictionary<string, Func<ICompute>> Factories = Enum.GetValues<SimdWidth>()
        .Where(SimdCompute.IsSupported)
        .ToDictionary(
            width =>
            {
                using SimdCompute compute = new(width);
                return compute.Name;
            },
            width => (Func<ICompute>)(() => new SimdCompute(width)));

    public static TheoryData<string> Names => [.. Factories.Keys];

    public static ICompute Create(string name) => Factories[name]();
}

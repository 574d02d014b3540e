using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;

namespace LoraKit.Ops.Tests.Resize;

/// <summary>Runs resizes for tests.</summary>
internal static class Resizing
{
    public static ResizeOptions Options(string adapter, string output, RankPolicy policy) =>
        new() { Adapter = adapter, Output = new AdapterOutput(output) { Flush = false }, Policy = policy };

    public static ResizeReport Run(ResizeOptions options, ICompute? compute = null)
    {
        using ICompute own = new SimdCompute();
        using ResizePlan plan = ResizePlan.Create(options, compute ?? own);
        Assert.False(Path.Exists(options.Output.Path));
        ResizeReport report = plan.Run(compute ?? own);
        Assert.Equal(plan.BytesAfter, report.BytesAfter);
        Assert.Equal(SizeOf(options.Output.Path), report.BytesAfter);
        return report;
    }

    public static long SizeOf(string path) => Directory.Exists(path)
        ? Directory.EnumerateFiles(path).Sum(file => new FileInfo(file).Length)
        : new FileInfo(path).Length;
}

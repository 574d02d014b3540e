using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Runs merges for tests and compares what they leave.</summary>
internal static class Merging
{
    public static MergeReport Run(MergeOptions options, ICompute? compute = null)
    {
        using MergePlan plan = MergePlan.Create(options);
        return plan.Run(compute ?? new SimdCompute());
    }

    public static MergeOptions Options(string @base, string adapter, string output) =>
        new() { Base = @base, Adapters = [new(adapter)], Output = output, Flush = false };

    /// <summary>Values of a result against the sums that define it, at the precision of the stored type and of F32 sums.</summary>
    /// <param name="expected">W + Σ terms, in F64.</param>
    /// <param name="magnitudes">|W| + Σ |terms|.</param>
    /// <param name="actual">What was stored.</param>
    /// <param name="dtype">How it was stored.</param>
    /// <param name="terms">How many terms were summed.</param>
    public static void AssertClose(double[] expected, double[] magnitudes, double[] actual, DType dtype, int terms)
    {
        Assert.Equal(expected.Length, actual.Length);
        double sumError = (terms + 2) * (dtype == DType.F64 ? Math.ScaleB(1, -53) : Math.ScaleB(1, -24));
        for (int i = 0; i < expected.Length; i++)
        {
            // One rounding of something within the error of the sum: no further than the sum's error from either neighbour's rounding.
            double error = sumError * magnitudes[i];
            double low = Rounded(expected[i] - error, dtype), high = Rounded(expected[i] + error, dtype);
            Assert.True(low <= actual[i] && actual[i] <= high, $"element {i}: {actual[i]:R}, expected {expected[i]:R} ± {error:R} as {dtype}");
        }
    }

    public static double Rounded(double value, DType dtype)
    {
        byte[] bytes = new byte[dtype.Bytes()];
        double[] back = [value];
        FloatConvert.FromDoubles(dtype, back, bytes);
        FloatConvert.ToDoubles(dtype, bytes, back);
        return back[0];
    }

    public static Dictionary<string, byte[]> Bytes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(f => Path.GetRelativePath(folder, f), File.ReadAllBytes);

    public static TestTensor Random(string name, DType dtype, Random random, params long[] shape) =>
        new(name, dtype, shape, PeftFolder.Values(random, (int)shape.Aggregate(1L, (a, b) => a * b), dtype));
}

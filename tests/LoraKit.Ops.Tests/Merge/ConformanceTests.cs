using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>What PEFT's <c>merge_and_unload()</c> left, over every backend, with tiles that split every tensor.</summary>
public class ConformanceTests
{
    // F32 within 1e-5 of the tensor's largest value, 16-bit types within one unit in the last place: PEFT rounds some kinds twice.
    private const double SingleTolerance = 1e-5;

    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from folder in Directory.GetDirectories(Paths.Fixture("peft"))
        where File.Exists(Path.Combine(folder, "merged.safetensors"))
        from backend in ComputeBackends.Names
        select new TheoryDataRow<string, string>(Path.GetFileName(folder), backend);

    [Theory]
    [MemberData(nameof(Cases))]
    public void MergesAsPeftDoes(string name, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        Merging.Run(
            Merging.Options(Paths.Fixture("peft", name, "base"), Paths.Fixture("peft", name, "adapter"), temp["out"]) with { TileBytes = 256 }, compute);

        var expected = SafetensorsBytes.Read(Paths.Fixture("peft", name, "merged.safetensors"));
        var actual = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach ((string tensor, (DType dtype, TensorShape shape, double[] values)) in expected)
        {
            Assert.Equal(dtype, actual[tensor].DType);
            Assert.Equal(shape, actual[tensor].Shape);
            double largest = values.Select(Math.Abs).DefaultIfEmpty().Max();
            for (int i = 0; i < values.Length; i++)
            {
                double allowed = dtype == DType.F32 ? SingleTolerance * largest : OneUlp(values[i], dtype);
                Assert.True(Math.Abs(values[i] - actual[tensor].Values[i]) <= allowed, $"{tensor}[{i}]: {actual[tensor].Values[i]:R}, PEFT has {values[i]:R}");
            }
        }
    }

    [Fact]
    public void TheCasesAreThere() => Assert.True(Cases().Count() >= 16);

    private static double OneUlp(double value, DType dtype)
    {
        int mantissa = dtype == DType.BF16 ? 7 : 10;
        int lowest = dtype == DType.BF16 ? -126 : -14;
        int exponent = value == 0 ? lowest : Math.Max(Math.ILogB(value), lowest);
        return Math.ScaleB(1, exponent - mantissa);
    }
}

using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>What another program computed against what is computed here.</summary>
internal static class Conformance
{
    // F32 within 1e-5 of the tensor's largest value, 16-bit types within one unit in the last place: PEFT rounds some kinds twice.
    private const double SingleTolerance = 1e-5;

    public static void AssertSame(
        IReadOnlyDictionary<string, (DType DType, TensorShape Shape, double[] Values)> expected, IReadOnlyDictionary<string, (DType DType, TensorShape Shape, double[] Values)> actual)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach ((string tensor, (DType dtype, TensorShape shape, double[] values)) in expected)
        {
            Assert.Equal(dtype, actual[tensor].DType);
            Assert.Equal(shape, actual[tensor].Shape);
            double largest = values.Select(Math.Abs).DefaultIfEmpty().Max();
            for (int i = 0; i < values.Length; i++)
            {
                double allowed = dtype == DType.F32 ? SingleTolerance * largest : OneUlp(values[i], dtype);
                Assert.True(Math.Abs(values[i] - actual[tensor].Values[i]) <= allowed, $"{tensor}[{i}]: {actual[tensor].Values[i]:R}, expected {values[i]:R}");
            }
        }
    }

    private static double OneUlp(double value, DType dtype)
    {
        int mantissa = dtype == DType.BF16 ? 7 : 10;
        int lowest = dtype == DType.BF16 ? -126 : -14;
        int exponent = value == 0 ? lowest : Math.Max(Math.ILogB(value), lowest);
        return Math.ScaleB(1, exponent - mantissa);
    }
}

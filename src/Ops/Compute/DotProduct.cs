using System.Runtime.Intrinsics;

namespace LoraKit.Ops.Compute;

/// <summary>Σ xᵢ·yᵢ in F64: eight interleaved sums, without fused operations, so the same bits on every machine.</summary>
internal static class DotProduct
{
    public static double Of(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        y = y[..x.Length];
        Vector512<double> sums = Vector512<double>.Zero;
        int i = 0;
        for (; i <= x.Length - Vector512<double>.Count; i += Vector512<double>.Count)
        {
            sums += Vector512.Create(x.Slice(i, Vector512<double>.Count)) * Vector512.Create(y.Slice(i, Vector512<double>.Count));
        }

        double sum = 0;
        for (int j = 0; j < Vector512<double>.Count; j++) sum += sums[j];
        for (; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }
}

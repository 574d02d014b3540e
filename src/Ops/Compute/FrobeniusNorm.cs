namespace LoraKit.Ops.Compute;

/// <summary>√Σx², also where the squares are beyond the range of F64.</summary>
internal static class FrobeniusNorm
{
    /// <summary>Between these, neither the sum nor a square that counts in it has lost digits to the range.</summary>
    private const double Least = 1e-280, Most = 1e300;

    public static double Of(ReadOnlySpan<double> values)
    {
        double squares = DotProduct.Of(values, values);
        if (squares is > Least and < Most) return Math.Sqrt(squares);
        double largest = 0;
        foreach (double value in values) largest = Math.Max(largest, Math.Abs(value));
        if (largest == 0 || !double.IsFinite(largest)) return largest;
        // By the power of two at the largest, which is exact.
        int exponent = Math.ILogB(largest);
        double[] scaled = new double[values.Length];
        for (int i = 0; i < scaled.Length; i++) scaled[i] = Math.ScaleB(values[i], -exponent);
        return Math.ScaleB(Math.Sqrt(DotProduct.Of(scaled, scaled)), exponent);
    }
}

using LoraKit.Formats;

namespace LoraKit.Ops.Compute.Svd;

/// <summary>What a decomposition does at the ends of F64's range, in every backend: exact powers of two are taken out first and given back last.</summary>
internal static class SvdRange
{
    /// <summary>The exponent of a column of zeros: below whatever it is added to.</summary>
    public const int Nothing = -1_000_000;

    /// <summary>The power of two of a column whose largest magnitude is given.</summary>
    public static int Exponent(double largest) => largest == 0 ? Nothing : Math.ILogB(largest);

    /// <summary>The exponents of the terms of a product, and the largest of them, which is taken out of the whole.</summary>
    public static int[] Terms(IEnumerable<int> left, IEnumerable<int> right, out int largest)
    {
        int[] sums = [.. left.Zip(right, (l, r) => l + r)];
        largest = sums.Length == 0 ? 0 : sums.Max();
        return sums;
    }

    /// <summary>σ · 2^<paramref name="exponent"/>.</summary>
    /// <exception cref="NonFiniteException">The largest is beyond the range.</exception>
    public static double[] SingularValues(double[] values, int exponent)
    {
        double[] scaled = Array.ConvertAll(values, s => Math.ScaleB(s, exponent));
        if (scaled.Length > 0 && !double.IsFinite(scaled[0]))
        {
            throw new NonFiniteException("the product of two factors is beyond the range of F64; lower the scale or the weight");
        }

        return scaled;
    }

    /// <summary>A factor cannot be decomposed.</summary>
    public static NonFiniteException NotFinite(string factor) =>
        new($"the {factor} factor of a product holds NaN or infinity; singular values need finite factors");
}

using System.Numerics;
using System.Runtime.Intrinsics;

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>Loops over a row, element by element: every product and every sum is rounded by itself, so the bits do not depend on the width.</summary>
internal static class RowLoops
{
    // A strip of rows stays in the cache between the loops over it, and is high enough that what all rows share is read seldom.
    private const int StripElements = 1 << 14;
    private const int FewestStripRows = 12;

    /// <summary>How many rows should go through several loops at a time.</summary>
    public static int StripRows(int columns) => Math.Max(FewestStripRows, StripElements / Math.Max(columns, 1));

    /// <summary>sum += factor · values.</summary>
    public static void AddScaled(ReadOnlySpan<double> values, double factor, Span<double> sum)
    {
        int i = 0;
        for (; i <= values.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> product = new Vector<double>(values[i..]) * factor;
            (product + new Vector<double>(sum[i..])).CopyTo(sum[i..]);
        }

        for (; i < values.Length; i++)
        {
            double product = values[i] * factor;
            sum[i] += product;
        }
    }

    /// <summary>sum += factor · (one ∘ two).</summary>
    public static void AddScaledProduct(ReadOnlySpan<double> one, ReadOnlySpan<double> two, double factor, Span<double> sum)
    {
        int i = 0;
        for (; i <= one.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> product = new Vector<double>(one[i..]) * new Vector<double>(two[i..]) * factor;
            (product + new Vector<double>(sum[i..])).CopyTo(sum[i..]);
        }

        for (; i < one.Length; i++)
        {
            double product = one[i] * two[i] * factor;
            sum[i] += product;
        }
    }

    /// <summary>sum += factor · (one − two).</summary>
    public static void AddScaledDifference(ReadOnlySpan<double> one, ReadOnlySpan<double> two, double factor, Span<double> sum)
    {
        int i = 0;
        for (; i <= one.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> product = (new Vector<double>(one[i..]) - new Vector<double>(two[i..])) * factor;
            (product + new Vector<double>(sum[i..])).CopyTo(sum[i..]);
        }

        for (; i < one.Length; i++)
        {
            double product = (one[i] - two[i]) * factor;
            sum[i] += product;
        }
    }

    /// <summary>Σ one ∘ two, in four partial sums whatever the machine's width.</summary>
    public static double Dot(ReadOnlySpan<double> one, ReadOnlySpan<double> two)
    {
        Vector256<double> sums = Vector256<double>.Zero;
        int i = 0;
        for (; i <= one.Length - 4; i += 4)
        {
            Vector256<double> product = Vector256.Create(one[i..]) * Vector256.Create(two[i..]);
            sums += product;
        }

        double sum = sums[0] + sums[1] + (sums[2] + sums[3]);
        for (; i < one.Length; i++)
        {
            double product = one[i] * two[i];
            sum += product;
        }

        return sum;
    }
}

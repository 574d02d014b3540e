namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>
/// The real part of an inverse discrete Fourier transform of one length, unscaled: yᵢ = Re Σᵥ Yᵥ·e^{2πi·v·i/N}. By factors of the length
/// (Cooley and Tukey), so it is fast where these are small. Holds no state between calls.
/// </summary>
internal sealed class InverseFourier
{
    private readonly double[] _cos;
    private readonly double[] _sin;
    private readonly int[] _factors;

    public InverseFourier(int length)
    {
        (_cos, _sin) = Circle(length);
        _factors = Factors(length);
    }

    /// <summary>cos and sin of all multiples of 2π/n.</summary>
    public static (double[] Cos, double[] Sin) Circle(int n)
    {
        (double[] cos, double[] sin) = (new double[n], new double[n]);
        for (int i = 0; i < n; i++)
        {
            (sin[i], cos[i]) = Math.SinCos(2 * Math.PI * i / n);
        }

        return (cos, sin);
    }

    /// <summary>Transforms one row.</summary>
    /// <param name="real">Re Y.</param>
    /// <param name="imaginary">Im Y.</param>
    /// <param name="result">Re y.</param>
    public void RealPart(ReadOnlySpan<double> real, ReadOnlySpan<double> imaginary, Span<double> result)
    {
        using RowBuffer lost = new(result.Length), scratch = new(2 * _factors[^1]);
        Transform(real, imaginary, 1, result, lost.Values, 0, scratch.Values);
    }

    /// <summary>The transform of every stride-th element: of p interleaved parts, each transformed by itself, then combined.</summary>
    private void Transform(ReadOnlySpan<double> re, ReadOnlySpan<double> im, int stride, Span<double> outRe, Span<double> outIm, int level, Span<double> scratch)
    {
        if (outRe.Length == 1)
        {
            (outRe[0], outIm[0]) = (re[0], im[0]);
            return;
        }

        int p = _factors[level], part = outRe.Length / p;
        for (int k = 0; k < p; k++)
        {
            Transform(re[(k * stride)..], im[(k * stride)..], stride * p, outRe.Slice(k * part, part), outIm.Slice(k * part, part), level + 1, scratch);
        }

        if (p == 2) CombineTwo(outRe, outIm, stride);
        else Combine(outRe, outIm, p, stride, scratch);
    }

    private void CombineTwo(Span<double> re, Span<double> im, int stride)
    {
        int half = re.Length / 2;
        for (int i = 0; i < half; i++)
        {
            (double cos, double sin) = (_cos[i * stride], _sin[i * stride]);
            (double x, double y) = (re[half + i], im[half + i]);
            (double a, double b) = ((x * cos) - (y * sin), (x * sin) + (y * cos));
            (re[half + i], im[half + i]) = (re[i] - a, im[i] - b);
            (re[i], im[i]) = (re[i] + a, im[i] + b);
        }
    }

    private void Combine(Span<double> re, Span<double> im, int p, int stride, Span<double> scratch)
    {
        int part = re.Length / p, step = part * stride;
        Span<double> x = scratch[..p], y = scratch.Slice(p, p);
        for (int i = 0; i < part; i++)
        {
            for (int k = 0; k < p; k++)
            {
                (double cos, double sin) = (_cos[k * i * stride], _sin[k * i * stride]);
                (double a, double b) = (re[(k * part) + i], im[(k * part) + i]);
                (x[k], y[k]) = ((a * cos) - (b * sin), (a * sin) + (b * cos));
            }

            for (int q = 0; q < p; q++)
            {
                (double a, double b) = (0, 0);
                for (int k = 0, at = 0; k < p; k++, at = at + q >= p ? at + q - p : at + q)
                {
                    (double cos, double sin) = (_cos[at * step], _sin[at * step]);
                    a += (x[k] * cos) - (y[k] * sin);
                    b += (x[k] * sin) + (y[k] * cos);
                }

                (re[(q * part) + i], im[(q * part) + i]) = (a, b);
            }
        }
    }

    /// <summary>The prime factors, ascending.</summary>
    private static int[] Factors(int length)
    {
        List<int> factors = [];
        for (int p = 2; length > 1; p = (long)p * p > length && length > p ? length : p + 1)
        {
            for (; length % p == 0; length /= p)
            {
                factors.Add(p);
            }
        }

        return factors.Count == 0 ? [1] : [.. factors];
    }
}

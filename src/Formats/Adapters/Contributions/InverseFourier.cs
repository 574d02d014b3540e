using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>
/// The inverse discrete Fourier transform of one length, unscaled, of four sequences side by side: yᵢ = Σᵥ Yᵥ·e^{2πi·v·i/N}. By factors of the
/// length (Cooley and Tukey), so it is fast where these are small. Holds no state between calls.
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

    /// <summary>Transforms four sequences; element v of each lies in a vector's lanes.</summary>
    /// <param name="real">Re Y.</param>
    /// <param name="imaginary">Im Y.</param>
    /// <param name="resultReal">Re y.</param>
    /// <param name="resultImaginary">Im y.</param>
    public void Transform(
        ReadOnlySpan<Vector256<double>> real, ReadOnlySpan<Vector256<double>> imaginary, Span<Vector256<double>> resultReal, Span<Vector256<double>> resultImaginary)
    {
        using RowBuffer scratch = new(2 * _factors[^1] * Vector256<double>.Count);
        Transform(real, imaginary, 1, resultReal, resultImaginary, 0, MemoryMarshal.Cast<double, Vector256<double>>(scratch.Values));
    }

    /// <summary>The transform of every stride-th element: of p interleaved parts, each transformed by itself, then combined.</summary>
    private void Transform(
        ReadOnlySpan<Vector256<double>> re, ReadOnlySpan<Vector256<double>> im, int stride,
        Span<Vector256<double>> outRe, Span<Vector256<double>> outIm, int level, Span<Vector256<double>> scratch)
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

    private void CombineTwo(Span<Vector256<double>> re, Span<Vector256<double>> im, int stride)
    {
        int half = re.Length / 2;
        for (int i = 0; i < half; i++)
        {
            (double cos, double sin) = (_cos[i * stride], _sin[i * stride]);
            Vector256<double> x = re[half + i], y = im[half + i];
            Vector256<double> a = (x * cos) - (y * sin), b = (x * sin) + (y * cos);
            Vector256<double> c = re[i], d = im[i];
            re[half + i] = c - a;
            im[half + i] = d - b;
            re[i] = c + a;
            im[i] = d + b;
        }
    }

    private void Combine(Span<Vector256<double>> re, Span<Vector256<double>> im, int p, int stride, Span<Vector256<double>> scratch)
    {
        int part = re.Length / p, step = part * stride;
        Span<Vector256<double>> x = scratch[..p], y = scratch.Slice(p, p);
        for (int i = 0; i < part; i++)
        {
            for (int k = 0; k < p; k++)
            {
                (double cos, double sin) = (_cos[k * i * stride], _sin[k * i * stride]);
                Vector256<double> a = re[(k * part) + i], b = im[(k * part) + i];
                x[k] = (a * cos) - (b * sin);
                y[k] = (a * sin) + (b * cos);
            }

            for (int q = 0; q < p; q++)
            {
                Vector256<double> a = default, b = default;
                for (int k = 0, at = 0; k < p; k++, at = at + q >= p ? at + q - p : at + q)
                {
                    (double cos, double sin) = (_cos[at * step], _sin[at * step]);
                    a += (x[k] * cos) - (y[k] * sin);
                    b += (x[k] * sin) + (y[k] * cos);
                }

                re[(q * part) + i] = a;
                im[(q * part) + i] = b;
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

using System.Numerics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Torch;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>FourierFT, WaveFT and C3A against their transforms, done whole and by the definition.</summary>
public class SpectralKindTests
{
    private const double Weight = -0.6;

    private static readonly ParameterName Target = new(new("x"), "weight");
    private readonly Random _random = new(3);

    [Theory]
    [InlineData(37, 53, 20)]
    [InlineData(24, 64, 31)]
    [InlineData(9, 30, 270)]
    [InlineData(5, 1, 3)]
    [InlineData(1, 12, 4)]
    public void FourierIsTheRealPartOfTheInverseTransform(int rows, int columns, int count)
    {
        double[] spectrum = Values(count), w = Values(rows * columns);
        double[] dense = Scattered(rows, columns, 42, spectrum);
        double[] actual = KindRows.Merge(new FourierFtDelta(Target, new MemoryTensor("s", new(count), spectrum), 42, 150), new(rows, columns), w, Weight);
        for (int o = 0; o < rows; o++)
        {
            for (int i = 0; i < columns; i++)
            {
                Complex sum = 0;
                for (int at = 0; at < dense.Length; at++) sum += dense[at] * Complex.FromPolarCoordinates(1, 2 * Math.PI * ((double)(at / columns * o) / rows + (double)(at % columns * i) / columns));
                Assert.Equal(w[(o * columns) + i] + (Weight * 150 * sum.Real / dense.Length), actual[(o * columns) + i], 1e-9);
            }
        }
    }

    public static IEnumerable<TheoryDataRow<string?, int, int>> Wavelets() =>
        from family in (string?[])[null, .. Enumerable.Range(1, 10).Select(n => $"db{n}"), .. Enumerable.Range(2, 9).Select(n => $"sym{n}"), .. Enumerable.Range(1, 4).Select(n => $"coif{n}")]
        from size in (int[])[8, 7]
        select new TheoryDataRow<string?, int, int>(family, 37, size + 46);

    [Theory]
    [MemberData(nameof(Wavelets))]
    public void WavesAreTheInverseTransform(string? family, int rows, int columns)
    {
        double[] spectrum = Values(40), w = Values(rows * columns);
        double[] expected = Scattered(rows, columns, 777, spectrum);
        if (family is not null) expected = Rebuilt(expected, rows, columns, Wavelet.Named(family)!);
        double[] actual = KindRows.Merge(new WaveFtDelta(Target, new MemoryTensor("s", new(40), spectrum), 777, 25, family), new(rows, columns), w, Weight);
        for (int i = 0; i < w.Length; i++) Assert.Equal(w[i] + (Weight * 25 * expected[i]), actual[i], 1e-10);
    }

    [Theory]
    [InlineData("db11")]
    [InlineData("coif5")]
    [InlineData("haar")]
    public void AnotherWaveletIsRefused(string family) =>
        Assert.Contains(family, Assert.Throws<UnsupportedException>(() => new WaveFtDelta(Target, new MemoryTensor("s", new(4), new double[4]), 777, 25, family)).Message);

    [Fact]
    public void FiltersAreOrthonormal()
    {
        // All but coif4, which PEFT has otherwise than it is published.
        foreach (string family in Wavelets().Select(row => row.Data.Item1).OfType<string>().Distinct().Where(name => name != "coif4"))
        {
            (double[] low, double[] high) = (Wavelet.Named(family)!.Low, Wavelet.Named(family)!.High);
            for (int shift = 0; shift < low.Length; shift += 2)
            {
                double own = 0, other = 0, cross = 0;
                for (int i = 0; i + shift < low.Length; i++)
                {
                    own += low[i] * low[i + shift];
                    other += high[i] * high[i + shift];
                    cross += low[i] * high[i + shift];
                }

                Assert.Equal(shift == 0 ? 1 : 0, own, 1e-10);
                Assert.Equal(shift == 0 ? 1 : 0, other, 1e-10);
                Assert.Equal(0, cross, 1e-10);
            }
        }
    }

    [Theory]
    [InlineData(2, 3, 6)]
    [InlineData(3, 1, 5)]
    [InlineData(2, 2, 1)]
    public void C3aConvolvesEachBlock(int m, int n, int b)
    {
        double[] kernel = Values(m * n * b), w = Values(m * b * n * b);
        double[] actual = KindRows.Merge(new C3aDelta(Target, new MemoryTensor("k", new(m, n, b), kernel)), new(m * b, n * b), w, Weight, tileRows: 4);
        for (int column = 0; column < n * b; column++)
        {
            // Column j is what the layer makes of the unit vector: fft(ifft(x) ∘ fft(kernel)), block by block.
            Complex[] unit = new Complex[b];
            unit[column % b] = 1;
            Complex[] turned = [.. Transform(unit, 1).Select(value => value / b)];
            for (int row = 0; row < m; row++)
            {
                Complex[] waves = Transform([.. kernel.AsSpan(((row * n) + (column / b)) * b, b).ToArray().Select(value => (Complex)value)], -1);
                Complex[] result = Transform([.. turned.Zip(waves, (x, y) => x * y)], -1);
                for (int t = 0; t < b; t++)
                {
                    int at = (((row * b) + t) * n * b) + column;
                    Assert.Equal(w[at] + (Weight * result[t].Real / (n * b)), actual[at], 1e-12);
                }
            }
        }
    }

    private static Complex[] Transform(Complex[] values, int sign)
    {
        Complex[] result = new Complex[values.Length];
        for (int f = 0; f < result.Length; f++)
        {
            for (int t = 0; t < result.Length; t++) result[f] += values[t] * Complex.FromPolarCoordinates(1, sign * 2 * Math.PI * f * t / result.Length);
        }

        return result;
    }

    private static double[] Scattered(int rows, int columns, long seed, double[] spectrum)
    {
        double[] dense = new double[rows * columns];
        long[] places = new TorchGenerator(seed).Permutation(dense.Length, spectrum.Length);
        for (int k = 0; k < spectrum.Length; k++) dense[places[k]] = spectrum[k];
        return dense;
    }

    /// <summary>Padded, split into four bands, each spread by two with its filters, trimmed and cropped: all of it, dense.</summary>
    private static double[] Rebuilt(double[] dense, int rows, int columns, Wavelet wavelet)
    {
        int taps = wavelet.Low.Length, height = rows + taps - 2, width = columns + taps - 2;
        (height, width) = (height + (height % 2), width + (width % 2));
        double[,] padded = new double[height, width];
        for (int at = 0; at < dense.Length; at++) padded[(at / columns) + ((height - rows) / 2), (at % columns) + ((width - columns) / 2)] = dense[at];

        double[,] full = new double[height - 2 + taps, width - 2 + taps];
        for (int i = 0; i < height; i++)
        {
            for (int j = 0; j < width; j++)
            {
                (bool lower, bool right) = (i >= height / 2, j >= width / 2);
                for (int p = 0; p < taps; p++)
                {
                    for (int q = 0; q < taps; q++)
                    {
                        full[(2 * (i % (height / 2))) + p, (2 * (j % (width / 2))) + q] += padded[i, j] * (right ? wavelet.High : wavelet.Low)[p] * (lower ? wavelet.High : wavelet.Low)[q];
                    }
                }
            }
        }

        int trim = ((2 * taps) - 3) / 2;
        int top = trim + ((full.GetLength(0) - (2 * trim) - rows) / 2), left = trim + ((full.GetLength(1) - (2 * trim) - columns) / 2);
        double[] result = new double[dense.Length];
        for (int at = 0; at < result.Length; at++) result[at] = full[top + (at / columns), left + (at % columns)];
        return result;
    }

    private double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (_random.NextDouble() * 2) - 1)];
}

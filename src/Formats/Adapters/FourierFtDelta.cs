using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Torch;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// FourierFT: ΔW = Scale · Re(ifft2(F)), F being 0 but for n trained values at places drawn from PyTorch's generator:
/// ΔW[o, i] = Scale / (out · in) · Σₖ sₖ cos(2π(uₖ·o/out + vₖ·i/in)). Source: arXiv 2405.03003; PEFT. See spec/algebra.md, "FourierFT".
/// </summary>
public sealed class FourierFtDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="spectrum">The values [n].</param>
    /// <param name="seed">Of the places.</param>
    /// <param name="scale">The multiplier; finite.</param>
    /// <exception cref="InvalidAdapterException">The spectrum has no real values, or is no vector, or the scale is not finite.</exception>
    public FourierFtDelta(ParameterName target, TensorValue spectrum, long seed, double scale)
        : base(target)
    {
        RequireValues(target, spectrum);
        if (spectrum.Shape.Rank != 1) throw Unfit(target, spectrum, $"the spectrum is {spectrum.Shape}; expected a vector [n]");
        RequireScale(target, spectrum, scale, "FourierFT");
        (Spectrum, Seed, Scale) = (spectrum, seed, scale);
    }

    /// <inheritdoc/>
    public override string Kind => "fourierft";

    /// <summary>The values [n].</summary>
    public TensorValue Spectrum { get; }

    /// <summary>Of the places.</summary>
    public long Seed { get; }

    /// <summary>The multiplier.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Scale: Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Spectrum];

    /// <inheritdoc/>
    internal override bool IsReproducible => false;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank == 2 && RowTensor.Fits(weight[0]) && weight.ElementCount >= Spectrum.Shape[0];

    /// <inheritdoc/>
    internal override string Wanted => $"a matrix of at least {Spectrum.Shape[0]} elements";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] values = context.Read(Spectrum);
        long[] places = new TorchGenerator(Seed).Permutation(context.Rows * context.Columns, values.Length);
        return new Contribution((int)context.Rows, context.Columns, Scale / ((double)context.Rows * context.Columns), values, places);
    }

    private sealed class Contribution : IContribution
    {
        private const int Lanes = 4;

        // One transform makes so many rows: a row's in each lane of the real parts, another's in those of the imaginary parts. Groups begin at
        // multiples of that, so that a row is the same whatever is asked for with it.
        private const int GroupRows = 2 * Lanes;

        private readonly int _columns;
        private readonly double _scale;
        private readonly (int Row, int Column, double Value)[] _spectrum;
        private readonly (double[] Cos, double[] Sin) _down;
        private readonly InverseFourier _across;

        public Contribution(int rows, int columns, double scale, double[] values, long[] places)
        {
            (_columns, _scale) = (columns, scale);
            _spectrum = [.. places.Zip(values, (place, value) => ((int)(place / columns), (int)(place % columns), value))];
            _down = InverseFourier.Circle(rows);
            _across = new InverseFourier(columns);
        }

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer buffer = new(4 * Lanes * _columns), single = new(_columns);
            Span<Vector256<double>> all = MemoryMarshal.Cast<double, Vector256<double>>(buffer.Values);
            Span<Vector256<double>> real = all[.._columns], imaginary = all.Slice(_columns, _columns);
            Span<Vector256<double>> first = all.Slice(2 * _columns, _columns), second = all[(3 * _columns)..];
            for (long group = firstRow / GroupRows * GroupRows; group < firstRow + rows; group += GroupRows)
            {
                Gather(group, real, imaginary);
                _across.Transform(real, imaginary, first, second);
                for (long row = Math.Max(group, firstRow); row < Math.Min(group + GroupRows, firstRow + rows); row++)
                {
                    int place = (int)(row - group);
                    ReadOnlySpan<double> lanes = MemoryMarshal.Cast<Vector256<double>, double>(place < Lanes ? first : second);
                    for (int i = 0, at = place % Lanes; i < _columns; i++, at += Lanes) single.Values[i] = lanes[at];
                    RowLoops.AddScaled(single.Values, _scale * weight, sum.Slice((int)(row - firstRow) * _columns, _columns));
                }
            }
        }

        /// <summary>
        /// The spectra of eight rows as four. A row's real part has the spectrum (Gᵥ + conj G₋ᵥ) / 2, of its own spectrum G; the transform of one such
        /// spectrum and i times another has one row's values as its real parts and the other's as its imaginary parts.
        /// </summary>
        private void Gather(long firstRow, Span<Vector256<double>> real, Span<Vector256<double>> imaginary)
        {
            real.Clear();
            imaginary.Clear();
            (double[] cos, double[] sin) = _down;
            foreach ((int down, int across, double value) in _spectrum)
            {
                int at = (int)(down * firstRow % cos.Length);
                Vector256<double> cosOne = Next(cos, down, at), sinOne = Next(sin, down, at);
                at = (int)(down * (firstRow + Lanes) % cos.Length);
                Vector256<double> cosTwo = Next(cos, down, at), sinTwo = Next(sin, down, at);
                int mirrored = across == 0 ? 0 : _columns - across;
                double half = value / 2;
                real[across] += (cosOne - sinTwo) * half;
                imaginary[across] += (sinOne + cosTwo) * half;
                real[mirrored] += (cosOne + sinTwo) * half;
                imaginary[mirrored] += (cosTwo - sinOne) * half;
            }
        }

        /// <summary>Four values around the circle, at equal steps.</summary>
        private static Vector256<double> Next(double[] circle, int step, int at)
        {
            int one = Turn(at), two = Turn(one);
            return Vector256.Create(circle[at], circle[one], circle[two], circle[Turn(two)]);

            int Turn(int place) => place + step >= circle.Length ? place + step - circle.Length : place + step;
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            double bound = Math.Abs(_scale * weight) * _spectrum.Sum(term => Math.Abs(term.Value));
            foreach (ref double value in sum[..(rows * _columns)])
            {
                value += bound;
            }
        }

        public void Dispose()
        {
        }
    }
}

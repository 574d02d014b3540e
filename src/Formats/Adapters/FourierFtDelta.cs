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
            using RowBuffer real = new(_columns), imaginary = new(_columns), row = new(_columns);
            for (int i = 0; i < rows; i++)
            {
                real.Values.Clear();
                imaginary.Values.Clear();
                foreach ((int down, int across, double value) in _spectrum)
                {
                    int phase = (int)(down * (firstRow + i) % _down.Cos.Length);
                    real.Values[across] += value * _down.Cos[phase];
                    imaginary.Values[across] += value * _down.Sin[phase];
                }

                _across.RealPart(real.Values, imaginary.Values, row.Values);
                RowLoops.AddScaled(row.Values, _scale * weight, sum.Slice(i * _columns, _columns));
            }
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

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Torch;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// WaveFT: n trained values at places drawn from PyTorch's generator, as they are or as the coefficients of a wavelet transform of one
/// level that is taken back: ΔW = Scale · idwt2(F). Source: arXiv 2505.12532; PEFT. See spec/algebra.md, "WaveFT".
/// </summary>
public sealed class WaveFtDelta : AdapterDelta
{
    private static readonly double[] One = [1];

    private readonly Wavelet? _wavelet;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="spectrum">The values [n].</param>
    /// <param name="seed">Of the places.</param>
    /// <param name="scale">The multiplier; finite.</param>
    /// <param name="family">The wavelet, <c>db1</c> to <c>db10</c>, <c>sym2</c> to <c>sym10</c>, <c>coif1</c> to <c>coif4</c>; null for values as they are.</param>
    /// <exception cref="InvalidAdapterException">The spectrum has no real values, or is no vector, or the scale is not finite.</exception>
    /// <exception cref="UnsupportedException">The family is none of these.</exception>
    public WaveFtDelta(ParameterName target, TensorValue spectrum, long seed, double scale, string? family)
        : base(target)
    {
        RequireValues(target, spectrum);
        if (spectrum.Shape.Rank != 1) throw Unfit(target, spectrum, $"the spectrum is {spectrum.Shape}; expected a vector [n]");
        RequireScale(target, spectrum, scale, "WaveFT");
        (Spectrum, Seed, Scale, Family) = (spectrum, seed, scale, family);
        if (family is null) return;
        _wavelet = Wavelet.Named(family) ?? throw new UnsupportedException(
            $"{Where(target, spectrum)}: the wavelet family is '{Printable.Text(family)}'; expected db1 to db10, sym2 to sym10 or coif1 to coif4, "
            + "the ones of which PEFT rebuilds a weight", spectrum.File, spectrum.Name);
    }

    /// <inheritdoc/>
    public override string Kind => "waveft";

    /// <summary>The values [n].</summary>
    public TensorValue Spectrum { get; }

    /// <summary>Of the places.</summary>
    public long Seed { get; }

    /// <summary>The multiplier.</summary>
    public double Scale { get; }

    /// <summary>The wavelet; null for values as they are.</summary>
    public string? Family { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Scale: Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Spectrum];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank == 2 && RowTensor.Fits(weight[0]) && weight.ElementCount >= Spectrum.Shape[0];

    /// <inheritdoc/>
    internal override string Wanted => $"a matrix of at least {Spectrum.Shape[0]} elements";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] values = context.Read(Spectrum);
        long[] places = new TorchGenerator(Seed).Permutation(context.Rows * context.Columns, values.Length);
        (Axis rows, Axis columns) = (new(_wavelet, (int)context.Rows), new(_wavelet, context.Columns));
        return new SparsePatches(context.Columns, Scale, places.Zip(values, (place, value) =>
        {
            (int row, bool isLower) = rows.At((int)(place / context.Columns));
            (int column, bool isRight) = columns.At((int)(place % context.Columns));
            // PEFT hands the right half over as the detail along rows and the lower half as that along columns.
            return new SparsePatch(row, column, value, rows.Filter(isRight), columns.Filter(isLower));
        }));
    }

    /// <summary>
    /// One direction of the transform. The places are centred in an even length with room for what the filter eats; its first half holds
    /// approximations, its second details; each coefficient makes a filter's length of values at twice its index, cut at both ends.
    /// </summary>
    private sealed class Axis
    {
        private readonly Wavelet? _wavelet;
        private readonly int _offset;
        private readonly int _half;
        private readonly int _cut;

        public Axis(Wavelet? wavelet, int size)
        {
            _wavelet = wavelet;
            if (wavelet is null) return;
            int taps = wavelet.Low.Length, padded = size + taps - 2;
            padded += padded % 2;
            _offset = (padded - size) / 2;
            _half = padded / 2;
            int made = padded - 2 + taps, ends = ((2 * taps) - 3) / 2;
            _cut = ends + ((made - (2 * ends) - size) / 2);
        }

        /// <summary>Where the values of a place begin, and whether it lies in the second half.</summary>
        public (int First, bool IsSecond) At(int place)
        {
            if (_wavelet is null) return (place, false);
            int at = place + _offset;
            return ((2 * (at % _half)) - _cut, at >= _half);
        }

        public double[] Filter(bool isHigh) => _wavelet is null ? One : isHigh ? _wavelet.High : _wavelet.Low;
    }
}

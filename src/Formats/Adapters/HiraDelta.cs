using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// HiRA: ΔW = W ∘ (B·A), with A (down) [r, in, …kernel] and B (up) [out, r] or [out, r, 1, …]; no scale. Source: HiRA (ICLR 2025); PEFT. See
/// spec/algebra.md, "HiRA".
/// </summary>
public sealed class HiraDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r, in, …kernel].</param>
    /// <param name="up">B: [out, r] or [out, r, 1, …].</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, or the shapes do not chain.</exception>
    public HiraDelta(ParameterName target, TensorValue down, TensorValue up)
        : base(target)
    {
        RequireChain(target, down, up);
        (Down, Up) = (down, up);
    }

    /// <inheritdoc/>
    public override string Kind => "hira";

    /// <summary>A: [r, in, …kernel].</summary>
    public TensorValue Down { get; }

    /// <summary>B: [out, r] or [out, r, 1, …].</summary>
    public TensorValue Up { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => new TensorShape([Up.Shape[0], .. Down.Shape.Sizes.AsSpan()[1..]]);

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Down.Shape[0]);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Down, Up];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(context, checked((int)Down.Shape[0]), context.Read(Up), context.Read(Down));

    private sealed class Contribution(ContributionContext context, int rank, double[] left, double[] right) : IContribution
    {
        private readonly int _columns = context.Columns;
        private readonly IProductRows _product = context.Arithmetic.Product(context.Rows, context.Columns, rank, left, right);
        private readonly Lazy<FactorNorms> _norms = new(() => new(left, right, context.Rows, context.Columns));

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer buffer = new(rows * _columns);
            _product.Fill(firstRow, rows, buffer.Values);
            RowLoops.AddScaledProduct(@base, buffer.Values, weight, sum);
        }

        /// <summary>|W| ∘ the terms of B·A.</summary>
        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer @base = new(rows * _columns), terms = new(rows * _columns);
            context.Base.Read(firstRow, rows, @base.Values);
            RowLoops.Magnitudes(@base.Values);
            terms.Values.Clear();
            _norms.Value.Add(firstRow, rows, Math.Abs(weight), terms.Values);
            RowLoops.AddScaledProduct(@base.Values, terms.Values, 1, sum);
        }

        public void Dispose() => _product.Dispose();
    }
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// GLoRA: ΔW = Scale · (B₁·B₂ + W·A₁·A₂), where A₁·A₂ mixes the inputs of W (of a kernel, at each of its positions). Source: LyCORIS
/// (modules/glora.py), after arXiv 2306.07967. See spec/algebra.md, "GLoRA".
/// </summary>
public sealed class GloraDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="factors">The factors by their meaning.</param>
    /// <param name="other">A second way to take the same tensors, for a weight that the first does not fit; null where there is none.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, the shapes do not chain, or a scale is not finite.</exception>
    public GloraDelta(ParameterName target, GloraFactors factors, GloraFactors? other, double? alpha)
        : base(target)
    {
        foreach (TensorValue tensor in factors.Tensors)
        {
            RequireValues(target, tensor);
        }

        if (!factors.Chain)
        {
            throw Unfit(target, factors.A1, $"the factors {string.Join(", ", factors.Tensors.Select(tensor => tensor.Shape))} do not chain; "
                + "expected a1 [in, r], a2 [r, in], b1 [out, r] and b2 [r, in…] (or, as LyCORIS wrote before version 3, a1 with a2 and b1 with b2 exchanged)");
        }

        RequireScale(target, factors.A1, factors.Scale, "GLoRA");
        if (other is not null) RequireScale(target, other.A1, other.Scale, "GLoRA");
        (Factors, Other, Alpha) = (factors, other, alpha);
    }

    /// <inheritdoc/>
    public override string Kind => "glora";

    /// <summary>The factors.</summary>
    public GloraFactors Factors { get; }

    /// <summary>The second way to take the same tensors; null where there is none.</summary>
    internal GloraFactors? Other { get; }

    /// <summary>Whether the file names the factors as LyCORIS did before version 3: a1 for A₂, b1 for B₂.</summary>
    internal bool IsExchanged { get; init; }

    /// <summary>The file's alpha, for reports.</summary>
    public double? Alpha { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => Factors.Shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Factors.B2.Shape[0], Alpha, Factors.Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Factors.Tensors;

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => Factors.Fits(weight) || Other?.Fits(weight) == true;

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        GloraFactors factors = Factors.Fits(context.Weight) ? Factors : Other!;
        return new Contribution(factors, context);
    }

    private sealed class Contribution : IContribution
    {
        private readonly GloraFactors _factors;
        private readonly ContributionContext _context;
        private readonly IProductRows _product;
        private readonly Mixing _mixing;
        private readonly Lazy<FactorNorms> _norms;
        private readonly Lazy<Mixing> _magnitudes;

        public Contribution(GloraFactors factors, ContributionContext context)
        {
            (_factors, _context) = (factors, context);
            (double[] left, double[] right) = (context.Read(factors.B1), context.Read(factors.B2));
            _product = context.Arithmetic.Product(context.Rows, context.Columns, checked((int)factors.B2.Shape[0]), left, right);
            (double[] first, double[] second, int rank) = (context.Read(factors.A1), context.Read(factors.A2), checked((int)factors.A1.Shape[1]));
            _mixing = new(first, second, rank);
            _norms = new(() => new(left, right, context.Rows, context.Columns));
            _magnitudes = new(() => new([.. first.Select(Math.Abs)], [.. second.Select(Math.Abs)], rank));
        }

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer update = new(rows * _context.Columns);
            _product.Fill(firstRow, rows, update.Values);
            Mix(_mixing, rows, @base, update.Values);
            RowLoops.AddScaled(update.Values, _factors.Scale * weight, sum);
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer @base = new(rows * _context.Columns), terms = new(rows * _context.Columns);
            _context.Base.Read(firstRow, rows, @base.Values);
            RowLoops.Magnitudes(@base.Values);
            terms.Values.Clear();
            Mix(_magnitudes.Value, rows, @base.Values, terms.Values);
            _norms.Value.Add(firstRow, rows, 1, terms.Values);
            RowLoops.AddScaled(terms.Values, Math.Abs(_factors.Scale * weight), sum);
        }

        public void Dispose() => _product.Dispose();

        private void Mix(Mixing mixing, int rows, ReadOnlySpan<double> weight, Span<double> update)
        {
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * _context.Columns)..((i + 1) * _context.Columns);
                mixing.Add(weight[row], update[row]);
            }
        }
    }

    /// <summary>W·A₁·A₂ of a row of W, [in, positions of the kernel].</summary>
    private sealed class Mixing(double[] first, double[] second, int rank)
    {
        private readonly int _inputs = first.Length / rank;

        public void Add(ReadOnlySpan<double> row, Span<double> update)
        {
            int positions = row.Length / _inputs;
            using RowBuffer inner = new(rank), outer = new(_inputs);
            for (int p = 0; p < positions; p++)
            {
                inner.Values.Clear();
                outer.Values.Clear();
                for (int i = 0; i < _inputs; i++)
                {
                    RowLoops.AddScaled(first.AsSpan(i * rank, rank), row[(i * positions) + p], inner.Values);
                }

                for (int j = 0; j < rank; j++)
                {
                    RowLoops.AddScaled(second.AsSpan(j * _inputs, _inputs), inner.Values[j], outer.Values);
                }

                for (int i = 0; i < _inputs; i++)
                {
                    update[(i * positions) + p] += outer.Values[i];
                }
            }
        }
    }
}

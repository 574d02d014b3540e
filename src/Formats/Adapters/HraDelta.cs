using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// HRA: W' = W · H₁ · H₂ ⋯ Hᵣ, a chain of reflections Hᵢ = I − 2·uᵢuᵢᵀ at unit vectors; ΔW = W' − W. Where the vectors are made
/// orthonormal first (Gram-Schmidt), the chain is I − 2·UUᵀ. Source: arXiv 2405.17484; PEFT. See spec/algebra.md, "HRA".
/// </summary>
public sealed class HraDelta : AdapterDelta
{
    private readonly bool _isOrthonormalised;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="vectors">u: [in·kernel, r], of any length.</param>
    /// <param name="isOrthonormalised">Whether they are made orthonormal first, each to those before it.</param>
    /// <exception cref="InvalidAdapterException">It is no matrix of real numbers.</exception>
    public HraDelta(ParameterName target, TensorValue vectors, bool isOrthonormalised)
        : base(target)
    {
        RequireValues(target, vectors);
        if (vectors.Shape.Rank != 2) throw Unfit(target, vectors, $"{vectors.Name} is {vectors.Shape}; expected [in, r]");
        (Vectors, _isOrthonormalised) = (vectors, isOrthonormalised);
    }

    /// <inheritdoc/>
    public override string Kind => "hra";

    /// <summary>u: [in·kernel, r].</summary>
    public TensorValue Vectors { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Vectors.Shape[1]);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Vectors];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank >= 2 && weight.AsMatrix().Columns == Vectors.Shape[0];

    /// <inheritdoc/>
    internal override string Wanted => $"[out, {Vectors.Shape[0]}]";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        int length = context.Columns, count = checked((int)Vectors.Shape[1]);
        double[] stored = context.Read(Vectors);
        double[][] units = new double[count][];
        for (int k = 0; k < count; k++)
        {
            double[] unit = units[k] = new double[length];
            for (int i = 0; i < length; i++)
            {
                unit[i] = stored[(i * count) + k];
            }

            for (int j = 0; j < k && _isOrthonormalised; j++)
            {
                RowLoops.AddScaled(units[j], -RowLoops.Dot(units[j], unit), unit);
            }

            double norm = RowLoops.Norm(unit);
            if (norm == 0 || !double.IsFinite(norm)) throw Unfit(Target, Vectors, $"{Vectors.Name}: column {k} has length {norm}; a reflection needs a direction");
            for (int i = 0; i < length; i++)
            {
                unit[i] /= norm;
            }
        }

        return new Contribution(context, units);
    }

    private sealed class Contribution(ContributionContext context, double[][] units) : IContribution
    {
        private readonly BaseRowNorms _norms = new(context);

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int columns = context.Columns;
            using RowBuffer buffer = new(columns);
            Span<double> row = buffer.Values;
            for (int i = 0; i < rows; i++)
            {
                ReadOnlySpan<double> before = @base.Slice(i * columns, columns);
                before.CopyTo(row);
                foreach (double[] unit in units)
                {
                    RowLoops.AddScaled(unit, -2 * RowLoops.Dot(unit, row), row);
                }

                RowLoops.AddScaledDifference(row, before, weight, sum.Slice(i * columns, columns));
            }
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum) => _norms.Add(firstRow, rows, Math.Abs(weight), sum);

        public void Dispose()
        {
        }
    }
}

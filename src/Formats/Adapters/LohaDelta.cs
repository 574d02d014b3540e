using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoHa: ΔW = Scale · (B₁·A₁) ∘ (B₂·A₂), the element-wise product of two products of low rank; on a convolution each Aᵢ may be folded out of
/// a Tucker core. Source: FedPara (arXiv 2108.06098); LyCORIS and PEFT. See spec/algebra.md, "LoHa".
/// </summary>
public sealed class LohaDelta : AdapterDelta
{
    private readonly TensorShape _shape;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="first">B₁ [out, r] and A₁ [r, in, …kernel]: the weight is of the shape that these make.</param>
    /// <param name="second">B₂ [out, r] and A₂ [r, in·kernel].</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, the shapes do not chain, or the scale is not finite.</exception>
    public LohaDelta(ParameterName target, (TensorValue Up, TensorValue Down) first, (TensorValue Up, TensorValue Down) second, double scale, double? alpha)
        : base(target)
    {
        if (first.Up.Shape.Rank != 2 || first.Down.Shape.Rank < 2)
        {
            throw Unfit(target, first.Up, $"{first.Up.Name} {first.Up.Shape} and {first.Down.Name} {first.Down.Shape} are no matrices; expected [out, r] and [r, in]");
        }

        TensorShape shape = new([first.Up.Shape[0], .. first.Down.Shape.Sizes.AsSpan()[1..]]);
        (long rows, long columns) = shape.AsMatrix();
        foreach ((TensorValue up, TensorValue down) in (ReadOnlySpan<(TensorValue, TensorValue)>)[first, second])
        {
            RequireValues(target, up);
            RequireValues(target, down);
            bool chain = up.Shape.Rank >= 2 && down.Shape.Rank >= 2 && up.Shape[0] == rows && up.Shape[1] == down.Shape[0] && down.Shape.AsMatrix().Columns == columns;
            if (!chain) throw Unfit(target, up, $"{up.Name} {up.Shape} and {down.Name} {down.Shape} do not chain to {shape}; expected [out, r] and [r, in]");
        }

        RequireScale(target, first.Up, scale, "LoHa");
        (First, Second, Scale, Alpha, _shape) = (first, second, scale, alpha, shape);
    }

    /// <inheritdoc/>
    public override string Kind => "loha";

    /// <summary>B₁ [out, r] and A₁ [r, in·kernel].</summary>
    public (TensorValue Up, TensorValue Down) First { get; private set; }

    /// <summary>B₂ [out, r] and A₂ [r, in·kernel].</summary>
    public (TensorValue Up, TensorValue Down) Second { get; private set; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double? Alpha { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => _shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(First.Down.Shape[0], Alpha, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [.. First.Up.Parts, .. First.Down.Parts, .. Second.Up.Parts, .. Second.Down.Parts];

    /// <inheritdoc/>
    internal override AdapterDelta WithTensors(Func<TensorValue, TensorValue> map)
    {
        LohaDelta copy = (LohaDelta)MemberwiseClone();
        copy.First = (map(First.Up), TuckerDown.Mapped(Target, First.Down, map));
        copy.Second = (map(Second.Up), TuckerDown.Mapped(Target, Second.Down, map));
        return copy;
    }

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => FitsReshaped(_shape, weight);

    /// <summary>(B₁·A₁) ∘ (B₂·A₂) = B·A with the row-wise Kronecker product of B₁ and B₂ and the column-wise one of A₁ and A₂: rank r₁·r₂.</summary>
    internal override LowRankFactors? ExactFactors()
    {
        (long rows, long columns) = _shape.AsMatrix();
        (long r1, long r2) = (First.Down.Shape[0], Second.Down.Shape[0]);
        if ((Int128)r1 * r2 >= Math.Min(rows, columns)) return null;
        RowTensor up = new(First.Up.Name, new(rows, r1 * r2), [First.Up, Second.Up], () =>
        {
            (double[] one, double[] two) = (First.Up.ToDoubles(), Second.Up.ToDoubles());
            return (row, values) =>
            {
                for (int q = 0; q < values.Length; q++)
                {
                    values[q] = one[(row * r1) + (q / r2)] * two[(row * r2) + (q % r2)];
                }
            };
        });
        RowTensor down = new(First.Down.Name, new([r1 * r2, .. _shape.Sizes.AsSpan()[1..]]), [First.Down, Second.Down], () =>
        {
            (double[] one, double[] two) = (First.Down.ToDoubles(), Second.Down.ToDoubles());
            return (q, values) =>
            {
                for (int c = 0; c < values.Length; c++)
                {
                    values[c] = one[(q / r2 * columns) + c] * two[(q % r2 * columns) + c];
                }
            };
        });
        return new(down, up, Scale);
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(context.Columns, Scale, new(First, context), new(Second, context));

    /// <summary>One of the two products.</summary>
    private sealed class Factor : IDisposable
    {
        public Factor((TensorValue Up, TensorValue Down) pair, ContributionContext context)
        {
            (double[] up, double[] down) = (context.Read(pair.Up), context.Read(pair.Down));
            Rows = context.Arithmetic.Product(context.Rows, context.Columns, checked((int)pair.Down.Shape[0]), up, down);
            Norms = new(() => new(up, down, context.Rows, context.Columns));
        }

        public IProductRows Rows { get; }

        public Lazy<FactorNorms> Norms { get; }

        public void Dispose() => Rows.Dispose();
    }

    private sealed class Contribution(int columns, double scale, Factor first, Factor second) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer one = new(rows * columns), two = new(rows * columns);
            first.Rows.Fill(firstRow, rows, one.Values);
            second.Rows.Fill(firstRow, rows, two.Values);
            RowLoops.AddScaledProduct(one.Values, two.Values, scale * weight, sum);
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer one = new(rows * columns), two = new(rows * columns);
            one.Values.Clear();
            two.Values.Clear();
            first.Norms.Value.Add(firstRow, rows, 1, one.Values);
            second.Norms.Value.Add(firstRow, rows, 1, two.Values);
            RowLoops.AddScaledProduct(one.Values, two.Values, Math.Abs(scale * weight), sum);
        }

        public void Dispose()
        {
            first.Dispose();
            second.Dispose();
        }
    }
}

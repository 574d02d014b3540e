using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoHa: ΔW = Scale · (B₁·A₁) ∘ (B₂·A₂), the element-wise product of two products of low rank. Source: FedPara (arXiv 2108.06098); LyCORIS
/// and PEFT. See spec/algebra.md, "LoHa".
/// </summary>
public sealed class LohaDelta : AdapterDelta
{
    private readonly TensorShape _shape;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="first">B₁ [out, r] and A₁ [r, in·kernel].</param>
    /// <param name="second">B₂ [out, r] and A₂ [r, in·kernel].</param>
    /// <param name="shape">The weight's shape, [out, in, …kernel].</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, the shapes do not chain, or the scale is not finite.</exception>
    public LohaDelta(ParameterName target, (TensorValue Up, TensorValue Down) first, (TensorValue Up, TensorValue Down) second, TensorShape shape, double scale, double? alpha)
        : base(target)
    {
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
    public (TensorValue Up, TensorValue Down) First { get; }

    /// <summary>B₂ [out, r] and A₂ [r, in·kernel].</summary>
    public (TensorValue Up, TensorValue Down) Second { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double? Alpha { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => _shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(First.Down.Shape[0], Alpha, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [First.Up, First.Down, Second.Up, Second.Down];

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(context.Columns, Scale, Product(First, context), Product(Second, context));

    private static IProductRows Product((TensorValue Up, TensorValue Down) pair, ContributionContext context) => context.Arithmetic.Product(
        context.Rows, context.Columns, checked((int)pair.Down.Shape[0]), context.Read(pair.Up), context.Read(pair.Down));

    private sealed class Contribution(int columns, double scale, IProductRows first, IProductRows second) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer one = new(rows * columns), two = new(rows * columns);
            first.Fill(firstRow, rows, one.Values);
            second.Fill(firstRow, rows, two.Values);
            RowLoops.AddScaledProduct(one.Values, two.Values, scale * weight, sum);
        }

        public void Dispose()
        {
            first.Dispose();
            second.Dispose();
        }
    }
}

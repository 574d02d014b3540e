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
        RequireValues(target, down);
        RequireValues(target, up);
        if (down.Shape.Rank < 2 || up.Shape.Rank < 2 || down.Shape[0] != up.Shape[1] || up.Shape.AsMatrix().Columns != up.Shape[1])
        {
            throw Unfit(target, down, $"A {down.Shape} and B {up.Shape} do not chain; expected A [r, in…] and B [out, r]");
        }

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
    internal override IContribution Prepare(ContributionContext context) => new Contribution(context.Columns, context.Arithmetic.Product(
        context.Rows, context.Columns, checked((int)Down.Shape[0]), context.Read(Up), context.Read(Down)));

    private sealed class Contribution(int columns, IProductRows product) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer buffer = new(rows * columns);
            product.Fill(firstRow, rows, buffer.Values);
            RowLoops.AddScaledProduct(@base, buffer.Values, weight, sum);
        }

        public void Dispose() => product.Dispose();
    }
}

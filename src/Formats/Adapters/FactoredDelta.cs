using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// A kind whose update is a product of low rank without the base: ΔW = Scale · Up · Down. Merges add it as such, and it becomes plain LoRA
/// exactly; what the file stores may be something else, from which Up and Down are computed when they are read.
/// </summary>
public abstract class FactoredDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/> by <paramref name="scale"/> · <paramref name="up"/> · <paramref name="down"/>.</summary>
    private protected FactoredDelta(ParameterName target, TensorValue down, TensorValue up, double scale)
        : base(target)
    {
        RequireChain(target, down, up);
        RequireScale(target, down, scale, $"rank {down.Shape[0]}");
        Down = down;
        Up = up;
        Scale = scale;
    }

    /// <summary>A: [r, in, …kernel].</summary>
    public TensorValue Down { get; }

    /// <summary>B: [out, r] or [out, r, 1, …].</summary>
    public TensorValue Up { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>r: the rows of A.</summary>
    public long Rank => Down.Shape[0];

    /// <summary>The rows of B.</summary>
    public long OutFeatures => Up.Shape[0];

    /// <summary>The columns of A, kernel included.</summary>
    public long InFeatures => Down.Shape.AsMatrix().Columns;

    /// <inheritdoc/>
    public override TensorShape? Shape => new TensorShape([OutFeatures, .. Down.Shape.Sizes.AsSpan()[1..]]);

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Rank, null, Scale);

    /// <summary>A kernel of one point is none: factors [r, in, 1, 1] update a weight [out, in], and the other way round.</summary>
    internal override bool Fits(TensorShape weight) =>
        weight.Rank >= 2 && Shape is { } shape && WithoutPoint(shape).SequenceEqual(WithoutPoint(weight));

    private static ReadOnlySpan<long> WithoutPoint(TensorShape shape) =>
        shape.AsMatrix().Columns == shape[1] ? shape.Sizes.AsSpan()[..2] : shape.Sizes.AsSpan();

    /// <inheritdoc/>
    internal override LowRankFactors? ExactFactors() => new(Down, Up, Scale);

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => Prepare(context, Up, Down);

    /// <inheritdoc/>
    internal override IContribution? PrepareTurned(ContributionContext context) => Down.Shape.Rank != 2 || Up.Shape.Rank != 2
        ? null
        : Prepare(context, TransposedTensor.Of(Down), TransposedTensor.Of(Up));

    private ProductContribution Prepare(ContributionContext context, TensorValue left, TensorValue right) =>
        new(context, Scale, checked((int)Rank), context.Read(left), context.Read(right));
}

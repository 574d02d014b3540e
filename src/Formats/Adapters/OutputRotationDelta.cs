using LoraKit.Formats.Adapters.Orthogonal;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// A kind that turns the outputs of a weight in blocks, as LyCORIS and sd-scripts store it: square blocks X, whose Q = X − Xᵀ give the rotations, and a factor d
/// of every output.
/// </summary>
public abstract class OutputRotationDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="blocks">X [k, n, n], before that whatever the kind has more of.</param>
    /// <param name="dimensions">How many dimensions X has.</param>
    /// <param name="expected">What X should be, for messages: <c>"no list of square blocks; expected [k, n, n]"</c>.</param>
    /// <param name="rescale">d [out] or [out, 1…]; null where there is none.</param>
    /// <param name="limit">How far it may turn; null where there is no limit.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes contradict each other.</exception>
    private protected OutputRotationDelta(ParameterName target, TensorValue blocks, int dimensions, string expected, TensorValue? rescale, OrthogonalLimit? limit)
        : base(target)
    {
        RequireValues(target, blocks);
        if (blocks.Shape.Rank != dimensions || !SkewBlocks.AreSquare(blocks)) throw Unfit(target, blocks, $"oft_blocks {blocks.Shape} are {expected}");
        (Blocks, Rescale, Limit) = (blocks, rescale, limit);
        if (rescale is null) return;
        RequireValues(target, rescale);
        if (rescale.Shape.ElementCount != Rows) throw Unfit(target, rescale, $"rescale {rescale.Shape} has {rescale.Shape.ElementCount} values for {Rows} rows of oft_blocks {blocks.Shape}");
    }

    /// <summary>X [.., k, n, n].</summary>
    public TensorValue Blocks { get; }

    /// <summary>d; null where there is none.</summary>
    public TensorValue? Rescale { get; }

    /// <summary>How far it may turn; null where there is no limit.</summary>
    public OrthogonalLimit? Limit { get; }

    /// <summary>Null: only the base tells.</summary>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Rescale is null ? [Blocks] : [Blocks, Rescale];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override string Wanted => $"a weight of {Rows} outputs";

    /// <summary>The outputs: k · n.</summary>
    private protected long Rows => Blocks.Shape.Sizes[^3] * Blocks.Shape.Sizes[^2];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank >= 2 && weight[0] == Rows;
}

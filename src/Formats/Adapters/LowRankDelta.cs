using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoRA: ΔW = Scale · B · A, with A (down) [r, in, …] and B (up) [out, r] or [out, r, 1, …]. Source: arXiv 2106.09685; PEFT. See
/// spec/algebra.md, "merge".
/// </summary>
public sealed class LowRankDelta : FactoredDelta
{
    /// <summary>An update of <paramref name="target"/> by <paramref name="scale"/> · <paramref name="up"/> · <paramref name="down"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r, in, …kernel].</param>
    /// <param name="up">B: [out, r] (or [out, r, 1, …]).</param>
    /// <param name="scale">The resolved multiplier (α/r, α/√r, …); finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <param name="orientation">How the base stores the matrix.</param>
    /// <param name="squareIsInOut">What the file says of square matrices: true where the weight is [in, out].</param>
    /// <exception cref="InvalidAdapterException">
    /// A factor has no real values or no elements, the shapes do not chain, or the scale is not finite.
    /// </exception>
    public LowRankDelta(
        ParameterName target, TensorValue down, TensorValue up, double scale, double alpha,
        WeightOrientation orientation = WeightOrientation.FromShape, bool squareIsInOut = false)
        : base(target, down, up, scale)
    {
        Alpha = alpha;
        Orientation = orientation;
        SquareIsInOut = squareIsInOut;
    }

    /// <inheritdoc/>
    public override string Kind => "lora";

    /// <summary>The file's alpha, for reports.</summary>
    public double Alpha { get; }

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Rank, Alpha, Scale);

    /// <summary>The same module's update with other factors: target, orientation and the kind of module stay.</summary>
    /// <param name="down">A: [r, in, …kernel], of the same trailing sizes.</param>
    /// <param name="up">B: [out, r] or [out, r, 1, …].</param>
    /// <param name="scale">The resolved multiplier.</param>
    /// <param name="alpha">What a report calls alpha; a layout that needs one computes it from the scale.</param>
    /// <exception cref="InvalidAdapterException">As the constructor.</exception>
    public LowRankDelta With(TensorValue down, TensorValue up, double scale, double alpha) =>
        new(Target, down, up, scale, alpha, Orientation, SquareIsInOut) { IsEmbedding = IsEmbedding, AlphaTensor = AlphaTensor };

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Down is TuckerDown folded ? [folded.Down, folded.Mid, Up] : [Down, Up];
}

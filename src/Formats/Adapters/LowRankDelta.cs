using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>How the base stores the matrix that a low-rank update belongs to.</summary>
public enum WeightOrientation : byte
{
    /// <summary>[out, in], as <c>nn.Linear</c> does.</summary>
    OutIn,

    /// <summary>[in, out], as transformers' Conv1D does: the stored update is (B·A)ᵀ.</summary>
    InOut,

    /// <summary>To be seen from the base's shape; <see cref="LowRankDelta.SquareIsInOut"/> decides only where that is square.</summary>
    FromShape,
}

/// <summary>
/// ΔW = Scale · B · A, with A (down) [r, in, …] and B (up) [out, r] or [out, r, 1, …]. See spec/algebra.md, "merge".
/// </summary>
public sealed class LowRankDelta : AdapterDelta
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
        : base(target)
    {
        RequireValues(target, down);
        RequireValues(target, up);
        if (down.Shape.Rank < 2 || up.Shape.Rank < 2 || down.Shape[0] != up.Shape[1] || up.Shape.AsMatrix().Columns != up.Shape[1])
        {
            throw new InvalidAdapterException(
                $"{Where(target, down)}: A {down.Shape} and B {up.Shape} do not chain; expected A [r, in…] "
                + "and B [out, r]", down.File, down.Name);
        }

        if (!double.IsFinite(scale))
        {
            throw new InvalidAdapterException(
                $"{Where(target, down)}: the scale is {scale}; expected a finite number (alpha {alpha}, rank "
                + $"{down.Shape[0]})", down.File, down.Name);
        }

        Down = down;
        Up = up;
        Scale = scale;
        Alpha = alpha;
        Orientation = orientation;
        SquareIsInOut = squareIsInOut;
    }

    /// <inheritdoc/>
    public override string Kind => "lora";

    /// <summary>A: [r, in, …kernel].</summary>
    public TensorValue Down { get; }

    /// <summary>B: [out, r] or [out, r, 1, …].</summary>
    public TensorValue Up { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double Alpha { get; }

    /// <summary>How the base stores the matrix.</summary>
    public WeightOrientation Orientation { get; }

    /// <summary>For <see cref="WeightOrientation.FromShape"/> on a square matrix: whether the file says it is [in, out].</summary>
    public bool SquareIsInOut { get; }

    /// <summary>
    /// Whether the module is an embedding: its weight is [vocabulary, dimension], and here Up has a row per word. Layouts may name and turn
    /// such factors differently.
    /// </summary>
    public bool IsEmbedding { get; init; }

    /// <summary>The tensor that states alpha, in a layout that has one: written back as long as it tells the scale.</summary>
    internal TensorValue? AlphaTensor { get; init; }

    /// <summary>The same module's update with other factors: target, orientation and the kind of module stay.</summary>
    /// <param name="down">A: [r, in, …kernel], of the same trailing sizes.</param>
    /// <param name="up">B: [out, r] or [out, r, 1, …].</param>
    /// <param name="scale">The resolved multiplier.</param>
    /// <param name="alpha">What a report calls alpha; a layout that needs one computes it from the scale.</param>
    /// <exception cref="InvalidAdapterException">As the constructor.</exception>
    public LowRankDelta With(TensorValue down, TensorValue up, double scale, double alpha) =>
        new(Target, down, up, scale, alpha, Orientation, SquareIsInOut) { IsEmbedding = IsEmbedding, AlphaTensor = AlphaTensor };

    /// <summary>r: the rows of A.</summary>
    public long Rank => Down.Shape[0];

    /// <summary>The rows of B.</summary>
    public long OutFeatures => Up.Shape[0];

    /// <summary>The columns of A, kernel included.</summary>
    public long InFeatures => Down.Shape.AsMatrix().Columns;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Down is TuckerDown folded ? [folded.Down, folded.Mid, Up] : [Down, Up];
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoRA trained on what is left of the base: W' = W − P(W) + s·B·A, with P of rank r from a decomposition of W itself: PiSSA (arXiv
/// 2404.02948), OLoRA (arXiv 2406.01775), KaSA (arXiv 2412.06071), each as PEFT's loader makes it. See spec/algebra.md, "Residual".
/// </summary>
public sealed class ResidualDelta : AdapterDelta
{
    // A column that the others explain up to this leaves the decomposition's next direction open.
    private const double Dependent = 1e-10;

    /// <summary>The update <paramref name="lora"/> of what is left when a part of the base is gone.</summary>
    /// <param name="lora">s·B·A.</param>
    /// <param name="part">What is taken out; as many directions as <paramref name="lora"/> has.</param>
    /// <exception cref="InvalidAdapterException">The weight is no matrix, or has no more directions than are taken out.</exception>
    public ResidualDelta(LowRankDelta lora, BasePart part)
        : base(lora.Target)
    {
        (Lora, Part, Orientation, SquareIsInOut) = (lora, part, lora.Orientation, lora.SquareIsInOut);
        if (lora.Down.Shape.Rank != 2) throw Unfit(lora.Target, lora.Down, $"A {lora.Down.Shape} is of a convolution, whose weight {Kind} cannot take apart");
        long most = Math.Min(lora.OutFeatures, lora.InFeatures) - (part == BasePart.Smallest ? 1 : 0);
        if (lora.Rank > most) throw Unfit(lora.Target, lora.Down, $"rank {lora.Rank} is more than the weight [{lora.OutFeatures}, {lora.InFeatures}] has for {Kind}; expected at most {most}");
    }

    /// <inheritdoc/>
    public override string Kind => Part switch
    {
        BasePart.Largest => "pissa",
        BasePart.Smallest => "kasa",
        _ => "olora",
    };

    /// <summary>s·B·A.</summary>
    public LowRankDelta Lora { get; private set; }

    /// <summary>What is taken out of the base.</summary>
    public BasePart Part { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => Lora.Shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => Lora.Facts;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Lora.Tensors;

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool IsReproducible => true;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => Lora.Fits(weight);

    /// <inheritdoc/>
    private protected override AdapterDelta RenamedAlone(ParameterName target)
    {
        ResidualDelta renamed = (ResidualDelta)base.RenamedAlone(target);
        renamed.Lora = (LowRankDelta)Lora.Renamed(target);
        return renamed;
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        (double[] left, double[] right) = Part == BasePart.FirstColumns ? Projection(context) : Singular(context);
        int rank = checked((int)Lora.Rank);
        return new Contribution(context.Columns, Lora.Prepare(context), context.Arithmetic.Product(context.Rows, context.Columns, rank, left, right), new(() => new(left, right, context.Rows, context.Columns)));
    }

    private (double[] Left, double[] Right) Singular(ContributionContext context)
    {
        (int rows, int columns, int rank) = (checked((int)context.Rows), context.Columns, (int)Lora.Rank);
        if ((Int128)rows * columns > Array.MaxLength) throw new UnsupportedException($"'{Files.Printable.Text(Target.Path)}': a weight {context.Weight} is too large to be decomposed for {Kind}");
        double[] weight = new double[rows * columns];
        context.Base.Read(0, rows, weight);
        SingularPart part = context.Arithmetic.Singular(weight, rows, columns, Part == BasePart.Largest ? 0 : Math.Min(rows, columns) - rank, rank);
        for (int i = 0; i < part.Left.Length; i++) part.Left[i] *= part.Values[i % rank];
        return (part.Left, part.Right);
    }

    /// <summary>s·Q_r·R_r: any orthonormal basis U of the first r columns spans what Q_r does, so it is s·U·(Uᵀ·W), signs and all.</summary>
    private (double[] Left, double[] Right) Projection(ContributionContext context)
    {
        (int rows, int columns, int rank) = (checked((int)context.Rows), context.Columns, (int)Lora.Rank);
        double[] first = new double[rows * rank], right = new double[rank * columns];
        using RowBuffer buffer = new(columns);
        for (int i = 0; i < rows; i++)
        {
            context.Base.Read(i, 1, buffer.Values);
            buffer.Values[..rank].CopyTo(first.AsSpan(i * rank));
        }

        SingularPart part = context.Arithmetic.Singular(first, rows, rank, 0, rank);
        if (part.Values[^1] <= Dependent * part.Values[0])
        {
            throw new UnsupportedException(
                $"'{Files.Printable.Text(Target.Path)}': the first {rank} columns of the weight depend on each other, so the base does not tell what OLoRA took out; "
                + "save the adapter with path_initial_model_for_weight_conversion to get a plain LoRA");
        }

        for (int i = 0; i < rows; i++)
        {
            context.Base.Read(i, 1, buffer.Values);
            for (int k = 0; k < rank; k++) RowLoops.AddScaled(buffer.Values, Lora.Scale * part.Left[(i * rank) + k], right.AsSpan(k * columns, columns));
        }

        return (part.Left, right);
    }

    private sealed class Contribution(int columns, IContribution lora, IProductRows part, Lazy<FactorNorms> norms) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            lora.Add(firstRow, rows, weight, @base, sum);
            using RowBuffer buffer = new(rows * columns);
            part.Fill(firstRow, rows, buffer.Values);
            RowLoops.AddScaled(buffer.Values, -weight, sum);
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            lora.AddTerms(firstRow, rows, weight, sum);
            norms.Value.Add(firstRow, rows, Math.Abs(weight), sum);
        }

        public void Dispose()
        {
            lora.Dispose();
            part.Dispose();
        }
    }
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// VeRA: ΔW = (b ∘ B[:out]) · (d ∘ A[:, :in]), with A and B shared by all modules and as large as the largest of them. PVeRA doubles A and d and
/// is merged at its mean, the first half. Source: arXiv 2310.11454; PEFT. See spec/algebra.md, "VeRA".
/// </summary>
public sealed class VeraDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="projections">A [r, ≥ in] and B [≥ out, r], shared; of PVeRA A [2r, ≥ in].</param>
    /// <param name="scales">d [r], of PVeRA [2r], and b [out].</param>
    /// <param name="isProbabilistic">Whether it is PVeRA.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes do not chain.</exception>
    public VeraDelta(ParameterName target, (TensorValue A, TensorValue B) projections, (TensorValue D, TensorValue B) scales, bool isProbabilistic)
        : base(target)
    {
        (Projections, Scales, IsProbabilistic) = (projections, scales, isProbabilistic);
        foreach (TensorValue tensor in Tensors)
        {
            RequireValues(target, tensor);
        }

        (TensorShape a, TensorShape b, long halves) = (projections.A.Shape, projections.B.Shape, isProbabilistic ? 2 : 1);
        bool chain = a.Rank == 2 && b.Rank == 2 && a[0] == halves * b[1] && scales.D.Shape == new TensorShape(a[0]) && scales.B.Shape.Rank == 1 && scales.B.Shape[0] <= b[0];
        if (chain && RowTensor.Fits(scales.B.Shape[0], b[1])) return;
        throw Unfit(target, scales.D, $"A {a}, B {b}, lambda_d {scales.D.Shape} and lambda_b {scales.B.Shape} do not chain; "
            + $"expected A {(isProbabilistic ? "[2r, in]" : "[r, in]")}, B [out, r], lambda_d of A's rows and lambda_b of no more than B's");
    }

    /// <inheritdoc/>
    public override string Kind => IsProbabilistic ? "pvera" : "vera";

    /// <summary>A [r, ≥ in] and B [≥ out, r].</summary>
    public (TensorValue A, TensorValue B) Projections { get; }

    /// <summary>d [r] and b [out].</summary>
    public (TensorValue D, TensorValue B) Scales { get; }

    /// <summary>Whether it is PVeRA.</summary>
    public bool IsProbabilistic { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Projections.B.Shape[1]);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Scales.B, Scales.D, Projections.A, Projections.B];

    private int Rank => (int)Projections.B.Shape[1];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank == 2 && weight[0] == Scales.B.Shape[0] && weight[1] <= Projections.A.Shape[1];

    /// <inheritdoc/>
    internal override string Wanted => $"[{Scales.B.Shape[0]}, at most {Projections.A.Shape[1]}]";

    /// <inheritdoc/>
    internal override LowRankFactors? ExactFactors(TensorShape weight) => Rank >= Math.Min(weight[0], weight[1]) ? null : Factors(weight[1]);

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        LowRankFactors factors = Factors(context.Columns);
        return new ProductContribution(context, factors.Scale, Rank, context.Read(factors.Up), context.Read(factors.Down));
    }

    private LowRankFactors Factors(long inputs)
    {
        (TensorValue a, TensorValue b) = Projections;
        RowTensor up = new(b.Name, new(Scales.B.Shape[0], Rank), [b, Scales.B], () => ScaledRows(b, Scales.B.ToDoubles()));
        RowTensor down = new(a.Name, new(Rank, inputs), [a, Scales.D], () => ScaledRows(a, Scales.D.ToDoubles()));
        return new(down, up, 1);
    }

    /// <summary>The beginnings of a matrix's rows, each times a number.</summary>
    private static RowMaker ScaledRows(TensorValue matrix, double[] scales)
    {
        (long columns, int size) = (matrix.Shape[1], matrix.DType.Bytes());
        byte[] bytes = [];
        return (row, values) =>
        {
            if (bytes.Length == 0) bytes = new byte[values.Length * size];
            matrix.ReadBytes(row * columns * size, bytes);
            FloatConvert.ToDoubles(matrix.DType, bytes, values);
            foreach (ref double value in values)
            {
                value *= scales[row];
            }
        };
    }
}

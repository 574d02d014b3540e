using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// RandLoRA: ΔW = Scale · B·A of full rank, of ⌈m/r⌉ random bases, m the smaller side of the weight and r·⌈m/r⌉ = q the inner size:
/// A[k·n + b, j] = λ[k, b] · A₀[k, 0, j] · γ[b, j] and B[o, b·r + k] = B₀[o, b, k], the two orders as PEFT pairs them; the transpose of it
/// where out is the smaller side. Source: arXiv 2502.00987; PEFT. See spec/algebra.md, "RandLoRA".
/// </summary>
public sealed class RandLoraDelta : AdapterDelta
{
    private readonly int _rank;
    private readonly int _bases;
    private readonly int _smaller;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="projections">A₀ [r, 1, ≥ m] and B₀ [≥ the larger side, ≥ n, r], shared by all modules.</param>
    /// <param name="scales">λ [r, n] and γ [n, m].</param>
    /// <param name="scale">α/r; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, the shapes do not chain, or the scale is not finite.</exception>
    public RandLoraDelta(ParameterName target, (TensorValue A, TensorValue B) projections, (TensorValue Lambda, TensorValue Gamma) scales, double scale, double? alpha)
        : base(target)
    {
        (Projections, Scales, Scale, Alpha) = (projections, scales, scale, alpha);
        foreach (TensorValue tensor in Tensors)
        {
            RequireValues(target, tensor);
        }

        RequireScale(target, scales.Lambda, scale, "RandLoRA");
        (TensorShape a, TensorShape b, TensorShape lambda, TensorShape gamma) = (projections.A.Shape, projections.B.Shape, scales.Lambda.Shape, scales.Gamma.Shape);
        bool chain = a.Rank == 3 && a[1] == 1 && b.Rank == 3 && lambda.Rank == 2 && gamma.Rank == 2 && a[0] == lambda[0] && b[2] == lambda[0]
            && lambda[1] == gamma[0] && gamma[0] <= b[1] && gamma[1] <= a[2] && RowTensor.Fits(lambda[0], gamma[0], gamma[1]) && gamma[0] == (gamma[1] + lambda[0] - 1) / lambda[0];
        if (!chain)
        {
            throw Unfit(target, scales.Lambda, $"randlora_A {a}, randlora_B {b}, randlora_lambda {lambda} and randlora_gamma {gamma} do not chain; "
                + "expected [r, 1, ≥ m], [larger side, ≥ n, r], [r, n] and [n, m] with n = m/r, rounded up");
        }

        (_rank, _bases, _smaller) = ((int)lambda[0], (int)lambda[1], (int)gamma[1]);
    }

    /// <inheritdoc/>
    public override string Kind => "randlora";

    /// <summary>A₀ and B₀.</summary>
    public (TensorValue A, TensorValue B) Projections { get; }

    /// <summary>λ [r, n] and γ [n, m].</summary>
    public (TensorValue Lambda, TensorValue Gamma) Scales { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double? Alpha { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(_rank, Alpha, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Scales.Lambda, Scales.Gamma, Projections.A, Projections.B];

    private int Inner => _rank * _bases;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) =>
        weight.Rank == 2 && Math.Min(weight[0], weight[1]) == _smaller && Math.Max(weight[0], weight[1]) <= Projections.B.Shape[0];

    /// <inheritdoc/>
    internal override string Wanted => $"a matrix whose smaller side is {_smaller} and whose larger is at most {Projections.B.Shape[0]}";

    /// <summary>Both factors are as large as the weight itself, as B₀ is in the file.</summary>
    internal override IContribution Prepare(ContributionContext context)
    {
        int larger = (int)Math.Max(context.Rows, context.Columns);
        if (!RowTensor.Fits(larger, Inner))
        {
            throw new UnsupportedException($"{Where(Target, Scales.Lambda)}: the bases of a [{context.Rows}, {context.Columns}] weight do not fit in memory");
        }

        (double[] a, double[] b) = (Scaled(context), Bases(context, larger));
        bool turned = context.Rows < context.Columns;
        (double[] left, double[] right) = turned ? (Transposition.Of(a, Inner, _smaller), Transposition.Of(b, larger, Inner)) : (b, a);
        return new ProductContribution(context, Scale, Inner, left, right);
    }

    /// <summary>A: [q, m].</summary>
    private double[] Scaled(ContributionContext context)
    {
        (double[] lambda, double[] gamma) = (context.Read(Scales.Lambda), context.Read(Scales.Gamma));
        double[] values = new double[Inner * _smaller];
        using RowBuffer row = new(_smaller);
        for (int q = 0; q < Inner; q++)
        {
            if (q % _bases == 0) context.Arithmetic.Read(Projections.A, q / _bases * Projections.A.Shape[2], row.Values);
            ReadOnlySpan<double> scales = gamma.AsSpan(q % _bases * _smaller, _smaller);
            RowLoops.AddScaledProduct(row.Values, scales, lambda[q], values.AsSpan(q * _smaller, _smaller));
        }

        return values;
    }

    /// <summary>B: [larger side, q].</summary>
    private double[] Bases(ContributionContext context, int larger)
    {
        double[] values = new double[larger * Inner];
        for (int o = 0; o < larger; o++)
        {
            context.Arithmetic.Read(Projections.B, o * Projections.B.Shape[1] * _rank, values.AsSpan(o * Inner, Inner));
        }

        return values;
    }
}

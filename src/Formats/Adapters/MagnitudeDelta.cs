using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// DoRA: W' = m ∘ (W + D) / (‖W + D‖ + ε) around any additive update D, with one magnitude for every output (‖·‖ of a row) or every input
/// (‖·‖ of a column and its kernel). Where the divisor is 0 there is no direction to scale: W' = W + D there. Source: arXiv 2402.09353;
/// PEFT (ε = 0), LyCORIS (ε = 2⁻²³). See spec/algebra.md, "DoRA".
/// </summary>
public sealed class MagnitudeDelta : AdapterDelta
{
    private const int PassElements = 1 << 16;

    /// <summary>The update <paramref name="inner"/>, with magnitudes of its own for the result.</summary>
    /// <param name="inner">D: scale included.</param>
    /// <param name="magnitude">m: as many values as the axis has, in any shape.</param>
    /// <param name="axis">What each belongs to.</param>
    /// <param name="norm">The norm of a row that m is divided by; columns are always those of W + D.</param>
    /// <param name="epsilon">ε ≥ 0.</param>
    /// <exception cref="InvalidAdapterException">The magnitudes are no real numbers, or fit neither side of the update.</exception>
    public MagnitudeDelta(AdapterDelta inner, TensorValue magnitude, MagnitudeAxis axis, DoraNorm norm = DoraNorm.Updated, double epsilon = 0)
        : base(inner.Target)
    {
        RequireValues(inner.Target, magnitude);
        (Inner, Magnitude, Axis, Norm, Epsilon) = (inner, magnitude, axis, norm, epsilon);
        (Orientation, SquareIsInOut, IsOptional) = (inner.Orientation, inner.SquareIsInOut, inner.IsOptional);
        if (inner.Shape is { } shape && !HasPlace(shape))
        {
            string wanted = axis switch
            {
                MagnitudeAxis.Output => "one for every output",
                MagnitudeAxis.Input => "one for every input",
                _ => "[out, 1, …] or [1, in, …]",
            };
            throw Unfit(inner.Target, magnitude, $"the magnitudes {magnitude.Shape} of DoRA do not fit the update {shape}; expected {wanted}");
        }
    }

    /// <inheritdoc/>
    public override string Kind => Inner.Kind;

    /// <summary>D.</summary>
    public AdapterDelta Inner { get; }

    /// <summary>m.</summary>
    public TensorValue Magnitude { get; }

    /// <summary>What each magnitude belongs to.</summary>
    public MagnitudeAxis Axis { get; }

    /// <summary>The norm of a row that m is divided by.</summary>
    public DoraNorm Norm { get; }

    /// <summary>ε.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => Inner.Shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => Inner.Facts with { Dora = true };

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [.. Inner.Tensors, Magnitude];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool IsReproducible => Inner.IsReproducible;

    /// <inheritdoc/>
    internal override int RowDimensions => Inner.RowDimensions;

    /// <inheritdoc/>
    internal override string Wanted => Inner.Wanted;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => Inner.Fits(weight) && HasPlace(weight);

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] magnitudes = context.Read(Magnitude);
        IContribution inner = Inner.Prepare(context);
        return IsByOutput(context.Weight)
            ? new ByOutput(this, magnitudes, context, inner)
            : new ByInput(Factors(magnitudes, ColumnNorms(context, inner)), context.Columns, inner);
    }

    private bool IsByOutput(TensorShape weight) => Axis switch
    {
        MagnitudeAxis.Output => true,
        MagnitudeAxis.Input => false,
        _ => Magnitude.Shape.Rank > 0 && Magnitude.Shape[0] == weight[0] && Magnitude.Shape.ElementCount == weight[0],
    };

    private bool HasPlace(TensorShape weight) =>
        weight.Rank >= 2 && RowDimensions == 1 && Magnitude.Shape.ElementCount == (IsByOutput(weight) ? weight[0] : weight[1]);

    /// <summary>m / (norm + ε); 1 where that divides by nothing.</summary>
    private double Factor(double magnitude, double norm) => norm + Epsilon == 0 ? 1 : magnitude / (norm + Epsilon);

    /// <summary>A factor for every column of the matrix: one input has as many as its kernel.</summary>
    private double[] Factors(double[] magnitudes, double[] squares)
    {
        int kernel = squares.Length / magnitudes.Length;
        double[] factors = new double[squares.Length];
        for (int i = 0; i < magnitudes.Length; i++)
        {
            double sum = 0;
            foreach (double square in squares.AsSpan(i * kernel, kernel)) sum += square;
            factors.AsSpan(i * kernel, kernel).Fill(Factor(magnitudes[i], Math.Sqrt(sum)));
        }

        return factors;
    }

    /// <summary>Σ over the rows of (W + D)², by column: one pass over the base, row after row.</summary>
    private static double[] ColumnNorms(ContributionContext context, IContribution inner)
    {
        double[] squares = new double[context.Columns];
        int most = (int)Math.Clamp(PassElements / context.Columns, 1, context.Rows);
        using RowBuffer before = new(most * context.Columns), after = new(most * context.Columns);
        for (long row = 0; row < context.Rows; row += most)
        {
            int rows = (int)Math.Min(most, context.Rows - row);
            Span<double> weight = before.Values[..(rows * context.Columns)], updated = after.Values[..(rows * context.Columns)];
            context.Base.Read(row, rows, weight);
            Update(inner, row, rows, weight, updated);
            for (int i = 0; i < rows; i++)
            {
                ReadOnlySpan<double> values = updated.Slice(i * context.Columns, context.Columns);
                RowLoops.AddScaledProduct(values, values, 1, squares);
            }
        }

        return squares;
    }

    /// <summary>Rows of W + D.</summary>
    private static void Update(IContribution inner, long firstRow, int rows, ReadOnlySpan<double> weight, Span<double> updated)
    {
        weight.CopyTo(updated);
        inner.Add(firstRow, rows, 1, weight, updated);
    }

    private sealed class ByOutput(MagnitudeDelta delta, double[] magnitudes, ContributionContext context, IContribution inner) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int columns = context.Columns;
            using RowBuffer buffer = new(rows * columns);
            Update(inner, firstRow, rows, @base, buffer.Values);
            // Away with W first: what is left of W itself at weight 1 is 0, and W' is rounded once.
            RowLoops.AddScaled(@base, -weight, sum);
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * columns)..((i + 1) * columns);
                ReadOnlySpan<double> updated = buffer.Values[row], normed = delta.Norm == DoraNorm.Base ? @base[row] : updated;
                double norm = Math.Sqrt(context.Arithmetic.Dot(normed, normed));
                RowLoops.AddScaled(updated, delta.Factor(magnitudes[firstRow + i], norm) * weight, sum[row]);
            }
        }

        public void Dispose() => inner.Dispose();
    }

    private sealed class ByInput(double[] factors, int columns, IContribution inner) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer buffer = new(rows * columns);
            Update(inner, firstRow, rows, @base, buffer.Values);
            RowLoops.AddScaled(@base, -weight, sum);
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * columns)..((i + 1) * columns);
                RowLoops.AddScaledProduct(buffer.Values[row], factors, weight, sum[row]);
            }
        }

        public void Dispose() => inner.Dispose();
    }
}

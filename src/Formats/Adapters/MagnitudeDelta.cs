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
    /// <param name="magnitude">m: as many values as the axis has, in any shape; null for the norms of W, with which training begins.</param>
    /// <param name="axis">What each belongs to.</param>
    /// <param name="norm">The norm of a row that m is divided by; columns are always those of W + D.</param>
    /// <param name="epsilon">ε ≥ 0.</param>
    /// <exception cref="InvalidAdapterException">The magnitudes are no real numbers, or fit neither side of the update.</exception>
    public MagnitudeDelta(AdapterDelta inner, TensorValue? magnitude, MagnitudeAxis axis, DoraNorm norm = DoraNorm.Updated, double epsilon = 0)
        : base(inner.Target)
    {
        if (magnitude is not null) RequireValues(inner.Target, magnitude);
        (Inner, Magnitude, Axis, Norm, Epsilon) = (inner, magnitude, axis, norm, epsilon);
        (Orientation, SquareIsInOut, IsOptional, IsEmbedding) = (inner.Orientation, inner.SquareIsInOut, inner.IsOptional, inner.IsEmbedding);
        if (magnitude is not null && inner.Shape is { } shape && !HasPlace(shape) && !HasPlaceInKernel(shape))
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
    public AdapterDelta Inner { get; private set; }

    /// <summary>m; null for the norms of W.</summary>
    public TensorValue? Magnitude { get; }

    /// <summary>What each magnitude belongs to.</summary>
    public MagnitudeAxis Axis { get; }

    /// <summary>The norm of a row that m is divided by.</summary>
    public DoraNorm Norm { get; }

    /// <summary>ε.</summary>
    public double Epsilon { get; }

    /// <summary>The same magnitudes around another form of the update.</summary>
    internal MagnitudeDelta With(AdapterDelta inner) => new(inner, Magnitude, Axis, Norm, Epsilon);

    /// <inheritdoc/>
    public override TensorShape? Shape => Inner.Shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => Inner.Facts with { Dora = true };

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => Magnitude is null ? Inner.Tensors : [.. Inner.Tensors, Magnitude];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool IsReproducible => Inner.IsReproducible;

    /// <inheritdoc/>
    internal override int RowDimensions => Inner.RowDimensions;

    /// <inheritdoc/>
    internal override string Wanted =>
        Magnitude is not null && Inner.Shape is { } shape && !HasPlace(shape) ? $"{Inner.Wanted} of {Magnitude.Shape.ElementCount} inputs" : Inner.Wanted;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => Inner.Fits(weight) && HasPlace(weight);

    /// <inheritdoc/>
    private protected override AdapterDelta RenamedAlone(ParameterName target)
    {
        MagnitudeDelta renamed = (MagnitudeDelta)base.RenamedAlone(target);
        renamed.Inner = Inner.Renamed(target);
        return renamed;
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[]? magnitudes = Read(context);
        IContribution inner = Inner.Prepare(context);
        if (IsByOutput(context.Weight)) return new ByRow(this, magnitudes, Norm, context, inner);
        return new ByColumn(Factors(magnitudes, context, inner, checked((int)(context.Columns / context.Weight[1])), DoraNorm.Updated), context, inner);
    }

    /// <summary>Of a weight stored as [in, out], an output is a column.</summary>
    internal override IContribution? PrepareTurned(ContributionContext context)
    {
        if (Inner.PrepareTurned(context) is not { } inner) return null;
        double[]? magnitudes = Read(context);
        return IsByOutput(new TensorShape(context.Columns, context.Rows))
            ? new ByColumn(Factors(magnitudes, context, inner, 1, Norm), context, inner)
            : new ByRow(this, magnitudes, DoraNorm.Updated, context, inner);
    }

    private double[]? Read(ContributionContext context) => Magnitude is null ? null : context.Read(Magnitude);

    /// <summary>Whether the magnitudes belong to the outputs of a weight of this shape.</summary>
    internal bool IsByOutput(TensorShape weight) => Axis switch
    {
        MagnitudeAxis.Output => true,
        MagnitudeAxis.Input => false,
        _ => Magnitude is null || (Magnitude.Shape.Rank > 0 && Magnitude.Shape[0] == weight[0] && Magnitude.Shape.ElementCount == weight[0]),
    };

    private bool HasPlace(TensorShape weight) =>
        weight.Rank >= 2 && RowDimensions == 1 && (Magnitude is null || Magnitude.Shape.ElementCount == (IsByOutput(weight) ? weight[0] : weight[1]));

    /// <summary>Whether an update whose kernel lies flat in its columns ([out, in·kernel], as LoHa and LoKr store it) can have one for every input: the base says.</summary>
    private bool HasPlaceInKernel(TensorShape update) =>
        update.Rank == 2 && RowDimensions == 1 && !IsByOutput(update) && Magnitude!.Shape.ElementCount is > 0 and var count && update[1] % count == 0;

    /// <summary>m / (norm + ε); 1 where that divides by nothing.</summary>
    private double Factor(double magnitude, double norm) => norm + Epsilon == 0 ? 1 : magnitude / (norm + Epsilon);

    /// <summary>The base's own infinities are taken as they are; what the update brings has to have a length.</summary>
    private NonFiniteException TooLarge() => new(
        $"{Files.Printable.Text(Tensors[0].File ?? "")}: '{Files.Printable.Text(Target.Path)}': the update is so large that its length, by which DoRA divides, is beyond the range of numbers; the scale is "
        + $"{Facts.Scale?.ToString("R", System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"}", Tensors[0].File, Tensors[0].Name);

    /// <summary>A factor for every column of the matrix: one input has as many as its kernel. One pass over the base, row after row.</summary>
    private double[] Factors(double[]? magnitudes, ContributionContext context, IContribution inner, int kernel, DoraNorm norm)
    {
        double[] before = new double[context.Columns], after = new double[context.Columns], factors = new double[context.Columns];
        int most = (int)Math.Clamp(PassElements / context.Columns, 1, context.Rows);
        using RowBuffer read = new(most * context.Columns), made = new(most * context.Columns);
        for (long row = 0; row < context.Rows; row += most)
        {
            int rows = (int)Math.Min(most, context.Rows - row);
            Span<double> weight = read.Values[..(rows * context.Columns)], updated = made.Values[..(rows * context.Columns)];
            context.Base.Read(row, rows, weight);
            Update(inner, row, rows, weight, updated);
            for (int i = 0; i < rows; i++)
            {
                Range values = (i * context.Columns)..((i + 1) * context.Columns);
                RowLoops.AddScaledProduct(weight[values], weight[values], 1, before);
                RowLoops.AddScaledProduct(updated[values], updated[values], 1, after);
            }
        }

        for (int i = 0; i < context.Columns; i += kernel)
        {
            double old = Root(before.AsSpan(i, kernel)), length = norm == DoraNorm.Base ? old : Root(after.AsSpan(i, kernel));
            if (!double.IsFinite(length) && double.IsFinite(old)) throw TooLarge();
            factors.AsSpan(i, kernel).Fill(Factor(magnitudes is null ? old : magnitudes[i / kernel], length));
        }

        return factors;
    }

    private static double Root(ReadOnlySpan<double> squares)
    {
        double sum = 0;
        foreach (double square in squares) sum += square;
        return Math.Sqrt(sum);
    }

    /// <summary>Rows of W + D.</summary>
    private static void Update(IContribution inner, long firstRow, int rows, ReadOnlySpan<double> weight, Span<double> updated)
    {
        weight.CopyTo(updated);
        inner.Add(firstRow, rows, 1, weight, updated);
    }

    /// <summary>ΔW = f ∘ (W + D) − W, f being one number for a row or one for a column.</summary>
    private abstract class Contribution(ContributionContext context, IContribution inner) : IContribution
    {
        protected ContributionContext Context => context;

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int columns = context.Columns, strip = Math.Min(rows, RowLoops.StripRows(columns));
            using RowBuffer buffer = new(strip * columns);
            for (int i = 0; i < rows; i++)
            {
                if (i % strip == 0)
                {
                    Range all = (i * columns)..(Math.Min(i + strip, rows) * columns);
                    Update(inner, firstRow + i, Math.Min(strip, rows - i), @base[all], buffer.Values[..@base[all].Length]);
                    // Away with W first: what is left of W itself at weight 1 is 0, and W' is rounded once.
                    RowLoops.AddScaled(@base[all], -weight, sum[all]);
                }

                Range row = (i * columns)..((i + 1) * columns);
                ReadOnlySpan<double> updated = buffer.Values.Slice(i % strip * columns, columns);
                AddRow(firstRow + i, weight, @base[row], updated, updated, sum[row]);
            }
        }

        /// <summary>|f| ∘ (|W| + the terms of D): what cancels in W + D is rounded before it is scaled.</summary>
        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            int columns = context.Columns;
            using RowBuffer read = new(rows * columns), made = new(rows * columns), large = new(rows * columns), terms = new(rows * columns);
            context.Base.Read(firstRow, rows, read.Values);
            Update(inner, firstRow, rows, read.Values, made.Values);
            terms.Values.Clear();
            inner.AddTerms(firstRow, rows, 1, terms.Values);
            for (int i = 0; i < terms.Values.Length; i++) terms.Values[i] += Math.Abs(read.Values[i]);
            large.Values.Clear();
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * columns)..((i + 1) * columns);
                AddRow(firstRow + i, weight, read.Values[row], made.Values[row], terms.Values[row], large.Values[row]);
            }

            for (int i = 0; i < sum.Length; i++) sum[i] += Math.Abs(large.Values[i]);
        }

        public void Dispose() => inner.Dispose();

        /// <summary>sum += weight · f ∘ values, with the f of W and W + D.</summary>
        protected abstract void AddRow(long row, double weight, ReadOnlySpan<double> @base, ReadOnlySpan<double> updated, ReadOnlySpan<double> values, Span<double> sum);
    }

    private sealed class ByRow(MagnitudeDelta delta, double[]? magnitudes, DoraNorm norm, ContributionContext context, IContribution inner) : Contribution(context, inner)
    {
        protected override void AddRow(long row, double weight, ReadOnlySpan<double> @base, ReadOnlySpan<double> updated, ReadOnlySpan<double> values, Span<double> sum)
        {
            double length = Length(norm == DoraNorm.Base ? @base : updated);
            if (!double.IsFinite(length) && double.IsFinite(Length(@base))) throw delta.TooLarge();
            RowLoops.AddScaled(values, delta.Factor(magnitudes is null ? Length(@base) : magnitudes[row], length) * weight, sum);
        }

        private double Length(ReadOnlySpan<double> row) => Math.Sqrt(Context.Arithmetic.Dot(row, row));
    }

    private sealed class ByColumn(double[] factors, ContributionContext context, IContribution inner) : Contribution(context, inner)
    {
        protected override void AddRow(long row, double weight, ReadOnlySpan<double> @base, ReadOnlySpan<double> updated, ReadOnlySpan<double> values, Span<double> sum) =>
            RowLoops.AddScaledProduct(values, factors, weight, sum);
    }
}

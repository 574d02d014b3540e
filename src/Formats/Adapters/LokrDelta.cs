using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoKr: ΔW = Scale · W₁ ⊗ W₂, the Kronecker product of two small matrices, each in full or of low rank. With W₁ [o₁, i₁] and
/// W₂ [o₂, i₂·kernel]: ΔW[a·o₂ + b, c·i₂·kernel + d] = Scale · W₁[a, c] · W₂[b, d]. Source: KronA (arXiv 2212.10650); LyCORIS and PEFT.
/// See spec/algebra.md, "LoKr".
/// </summary>
public sealed class LokrDelta : AdapterDelta
{
    private readonly TensorShape _shape;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="first">W₁ [o₁, i₁].</param>
    /// <param name="second">W₂ [o₂, i₂] or [o₂, i₂, …kernel]; a kernel may also lie flat in the columns.</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, the shapes do not chain, or the scale is not finite.</exception>
    public LokrDelta(ParameterName target, KroneckerFactor first, KroneckerFactor second, double scale, double? alpha)
        : base(target)
    {
        Check(target, first);
        Check(target, second);
        if (first.Shape.Rank != 2) throw Unfit(target, first.Up, $"the first factor of the Kronecker product is {first.Shape}; expected a matrix [o₁, i₁]");
        RequireScale(target, first.Up, scale, "LoKr");
        bool small = RowTensor.Fits(first.Shape[0], second.Shape[0]) && RowTensor.Fits([first.Shape[1], .. second.Shape.Sizes.AsSpan()[1..]]);
        if (!small) throw Unfit(target, first.Up, $"factors {first.Shape} and {second.Shape} of a Kronecker product make rows or columns longer than an array ({Array.MaxLength})");
        (First, Second, Scale, Alpha) = (first, second, scale, alpha);
        _shape = new([first.Shape[0] * second.Shape[0], first.Shape[1] * second.Shape[1], .. second.Shape.Sizes.AsSpan()[2..]]);
    }

    /// <inheritdoc/>
    public override string Kind => "lokr";

    /// <summary>W₁ [o₁, i₁].</summary>
    public KroneckerFactor First { get; private set; }

    /// <summary>W₂ [o₂, i₂, …kernel].</summary>
    public KroneckerFactor Second { get; private set; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double? Alpha { get; }

    /// <summary>
    /// Whether W₁ multiplies the last two dimensions of a W₂ [o₂, i₂, k] instead of its first two, the whole then read as the weight: PEFT
    /// trains 1-d convolutions so. ΔW[b·o₁ + a, (d·i₁ + c)·k + l] = Scale · W₁[a, c] · W₂[b, d, l].
    /// </summary>
    public bool IsInnermost { get; init; }

    /// <inheritdoc/>
    public override TensorShape? Shape => _shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new((Second.Down ?? First.Down)?.Shape[0], Alpha, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [.. First.Parts, .. Second.Parts];

    /// <inheritdoc/>
    internal override AdapterDelta WithTensors(Func<TensorValue, TensorValue> map)
    {
        LokrDelta copy = (LokrDelta)MemberwiseClone();
        copy.First = Mapped(First);
        copy.Second = Mapped(Second);
        return copy;

        KroneckerFactor Mapped(KroneckerFactor factor) => new(map(factor.Up), factor.Down is { } down ? TuckerDown.Mapped(Target, down, map) : null);
    }

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => FitsReshaped(_shape, weight);

    /// <summary>(B₁·A₁) ⊗ (B₂·A₂) = (B₁⊗B₂)·(A₁⊗A₂): rank r₁·r₂.</summary>
    internal override LowRankFactors? ExactFactors()
    {
        (long rows, long columns) = _shape.AsMatrix();
        long rank = (long)First.Rank * Second.Rank;
        if (IsInnermost || rank >= Math.Min(rows, columns)) return null;
        RowTensor up = new(First.Up.Name, new(rows, rank), [First.Up, Second.Up], () => Kronecker(First.Left(), First.Rank, Second.Left(), Second.Rank));
        TensorShape shape = new([rank, .. _shape.Sizes.AsSpan()[1..]]);
        RowTensor down = new(Second.Up.Name, shape, [.. First.Parts, .. Second.Parts], () => Kronecker(First.Right(), First.Columns, Second.Right(), Second.Columns));
        return new(down, up, Scale);
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(this, context);

    private static void Check(ParameterName target, KroneckerFactor factor)
    {
        RequireValues(target, factor.Up);
        if (factor.Up.Shape.Rank < 2) throw Unfit(target, factor.Up, $"a factor of the Kronecker product is {factor.Up.Shape}; expected a matrix");
        if (factor.Down is not { } down) return;
        RequireValues(target, down);
        if (factor.Up.Shape.Rank == 2 && down.Shape.Rank >= 2 && factor.Up.Shape[1] == down.Shape[0]) return;
        throw Unfit(target, factor.Up, $"{factor.Up.Shape} and {down.Shape} do not chain to a factor of the Kronecker product; expected [out, r] and [r, in]");
    }

    /// <summary>Rows of the Kronecker product of two matrices with so many columns.</summary>
    private static RowMaker Kronecker(double[] one, int oneColumns, double[] two, int twoColumns) => (row, values) =>
    {
        int twoRows = two.Length / twoColumns;
        ReadOnlySpan<double> right = two.AsSpan((int)(row % twoRows) * twoColumns, twoColumns);
        for (int c = 0; c < oneColumns; c++)
        {
            double factor = one[((int)(row / twoRows) * oneColumns) + c];
            for (int d = 0; d < right.Length; d++)
            {
                values[(c * twoColumns) + d] = factor * right[d];
            }
        }
    };

    private sealed class Contribution(LokrDelta delta, ContributionContext context) : IContribution
    {
        private readonly int _kernel = delta.IsInnermost ? (int)delta.Second.Shape.AsMatrix(2).Columns : delta.Second.Columns;
        private readonly (IProductRows First, IProductRows Second) _rows = (delta.First.RowsBy(context), delta.Second.RowsBy(context));
        private readonly Lazy<(IProductRows First, IProductRows Second)> _bounds = new(() => (delta.First.BoundsBy(context), delta.Second.BoundsBy(context)));

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum) => AddRows(_rows, firstRow, rows, delta.Scale * weight, sum);

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer terms = new(sum.Length);
            terms.Values.Clear();
            AddRows(_bounds.Value, firstRow, rows, delta.Scale * weight, terms.Values);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += Math.Abs(terms.Values[i]);
            }
        }

        public void Dispose()
        {
            _rows.First.Dispose();
            _rows.Second.Dispose();
        }

        private void AddRows((IProductRows First, IProductRows Second) factors, long firstRow, int rows, double factor, Span<double> sum)
        {
            using RowBuffer left = new(delta.First.Columns), right = new(delta.Second.Columns);
            (long a, long b) = (-1, -1);
            int columns = left.Values.Length * right.Values.Length;
            for (int i = 0; i < rows; i++)
            {
                (long nextA, long nextB) = At(firstRow + i);
                if (nextA != a) factors.First.Fill(a = nextA, 1, left.Values);
                if (nextB != b) factors.Second.Fill(b = nextB, 1, right.Values);
                AddRow(left.Values, right.Values, factor, sum.Slice(i * columns, columns));
            }
        }

        private (long A, long B) At(long row) =>
            delta.IsInnermost ? (row % delta.First.Rows, row / delta.First.Rows) : (row / delta.Second.Rows, row % delta.Second.Rows);

        /// <summary>A row of W₂ in pieces of the kernel's length, each times the row of W₁; of one piece, where W₁ is outermost.</summary>
        private void AddRow(ReadOnlySpan<double> left, ReadOnlySpan<double> right, double factor, Span<double> sum)
        {
            for (; !right.IsEmpty; right = right[_kernel..])
            {
                foreach (double value in left)
                {
                    RowLoops.AddScaled(right[.._kernel], value * factor, sum);
                    sum = sum[_kernel..];
                }
            }
        }
    }
}

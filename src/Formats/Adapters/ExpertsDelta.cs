using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// LoRA on a stack of E expert weights: ΔWₑ = Scale · Bₑ · Aₑ for each, with Aₑ the rows [e·r, e·r + r) of A [E·r, in] and Bₑ the columns j·E + e
/// (PEFT) or e·r + j (unsloth), j &lt; r, of B [out, r·E]. Source: PEFT's ParamWrapper. See spec/algebra.md, "Experts".
/// </summary>
public sealed class ExpertsDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">The stack: [E, out, in], or [E, in, out] where the base stores its experts so.</param>
    /// <param name="down">A: [E·r, in].</param>
    /// <param name="up">B: [out, r·E].</param>
    /// <param name="experts">E.</param>
    /// <param name="order">Which columns of B are an expert's.</param>
    /// <param name="scale">The resolved multiplier, by r and not by E·r; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A factor has no real values, E does not divide them, they do not chain, or the scale is not finite.</exception>
    public ExpertsDelta(ParameterName target, TensorValue down, TensorValue up, long experts, ExpertColumns order, double scale, double alpha)
        : base(target)
    {
        RequireValues(target, down);
        RequireValues(target, up);
        if (down.Shape.Rank != 2 || up.Shape.Rank != 2 || down.Shape[0] != up.Shape[1] || experts < 1 || down.Shape[0] % experts != 0)
        {
            throw Unfit(target, down, $"A {down.Shape} and B {up.Shape} do not chain over {experts} experts; expected A [experts · r, in] and B [out, r · experts]");
        }

        Rank = down.Shape[0] / experts;
        RequireScale(target, down, scale, $"rank {Rank}");
        (Down, Up, Experts, Order, Scale, Alpha) = (down, up, experts, order, scale, alpha);
    }

    /// <inheritdoc/>
    public override string Kind => "lora_experts";

    /// <summary>A: [E·r, in].</summary>
    public TensorValue Down { get; }

    /// <summary>B: [out, r·E].</summary>
    public TensorValue Up { get; }

    /// <summary>E.</summary>
    public long Experts { get; }

    /// <summary>Which columns of B are an expert's.</summary>
    public ExpertColumns Order { get; }

    /// <summary>r, of each expert.</summary>
    public long Rank { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <summary>The file's alpha, for reports.</summary>
    public double Alpha { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => new TensorShape(Experts, Up.Shape[0], Down.Shape[1]);

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Rank, Alpha, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Down, Up];

    /// <inheritdoc/>
    internal override int RowDimensions => 2;

    /// <summary>The same stack's update with other factors, in the same order.</summary>
    internal ExpertsDelta With(TensorValue down, TensorValue up, double scale, double alpha) =>
        new(Target, down, up, Experts, Order, scale, alpha) { Orientation = Orientation, SquareIsInOut = SquareIsInOut };

    /// <summary>The update of one expert's weight, or of some outputs of it.</summary>
    /// <param name="target">The weight.</param>
    /// <param name="part">Which part of the stack.</param>
    public LowRankDelta Expert(ParameterName target, ExpertPart part)
    {
        TensorValue down = new MatrixSlice(Down, part.Expert * Rank, Rank, 0, Down.Shape[1]), up = new MatrixSlice(Up, 0, Up.Shape[0], First(part.Expert), Rank, Stride);
        // ΔWᵀ = Aᵀ · Bᵀ.
        if (part.Turned) (down, up) = (new TransposedTensor(up), new TransposedTensor(down));
        return new LowRankDelta(target, down, new MatrixSlice(up, part.FirstOutput, part.Outputs, 0, Rank), Scale, Alpha, WeightOrientation.OutIn);
    }

    /// <summary>Whether the stack has such a part.</summary>
    internal bool Has(ExpertPart part)
    {
        long outputs = part.Turned ? Down.Shape[1] : Up.Shape[0];
        return part is { Expert: >= 0, FirstOutput: >= 0, Outputs: > 0 } && part.Expert < Experts && part.Outputs <= outputs && part.FirstOutput <= outputs - part.Outputs;
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(this, context, turned: false);

    /// <inheritdoc/>
    internal override IContribution PrepareTurned(ContributionContext context) => new Contribution(this, context, turned: true);

    private long First(long expert) => Order == ExpertColumns.RankMajor ? expert : expert * Rank;

    private long Stride => Order == ExpertColumns.RankMajor ? Experts : 1;

    /// <summary>Expert by expert: each has a product of rank r, made when its first row is asked for.</summary>
    private sealed class Contribution : IContribution
    {
        private readonly ExpertsDelta _delta;
        private readonly ContributionContext _context;
        private readonly bool _turned;
        private readonly double[] _up;
        private readonly Lazy<IProductRows>[] _experts;
        private readonly Lazy<FactorNorms>[] _norms;
        private readonly int _outputs;
        private readonly int _inputs;
        private readonly int _rank;

        public Contribution(ExpertsDelta delta, ContributionContext context, bool turned)
        {
            (_delta, _context, _turned) = (delta, context, turned);
            (_outputs, _inputs, _rank) = (checked((int)delta.Up.Shape[0]), checked((int)delta.Down.Shape[1]), checked((int)delta.Rank));
            _up = context.Read(delta.Up);
            int[] experts = [.. Enumerable.Range(0, checked((int)delta.Experts))];
            _experts = [.. experts.Select(expert => new Lazy<IProductRows>(() => Product(expert)))];
            _norms = [.. experts.Select(expert => new Lazy<FactorNorms>(() => Norms(expert)))];
        }

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            foreach ((int expert, int row, int at, int count) in Pieces(firstRow, rows))
            {
                using RowBuffer buffer = new(count * Width);
                _experts[expert].Value.Fill(row, count, buffer.Values);
                RowLoops.AddScaled(buffer.Values, _delta.Scale * weight, sum.Slice(at * Width, count * Width));
            }
        }

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            foreach ((int expert, int row, int at, int count) in Pieces(firstRow, rows))
            {
                _norms[expert].Value.Add(row, count, Math.Abs(_delta.Scale * weight), sum.Slice(at * Width, count * Width));
            }
        }

        public void Dispose()
        {
            foreach (Lazy<IProductRows> expert in _experts.Where(expert => expert.IsValueCreated))
            {
                expert.Value.Dispose();
            }
        }

        private int Height => _turned ? _inputs : _outputs;

        private int Width => _turned ? _outputs : _inputs;

        /// <summary>Rows of a tile by expert: the first of them in the expert, its place in the tile, and how many.</summary>
        private IEnumerable<(int Expert, int Row, int At, int Count)> Pieces(long firstRow, int rows)
        {
            for (int at = 0; at < rows;)
            {
                (long expert, long row) = Math.DivRem(firstRow + at, Height);
                int count = (int)Math.Min(rows - at, Height - row);
                yield return ((int)expert, (int)row, at, count);
                at += count;
            }
        }

        private IProductRows Product(int expert)
        {
            (double[] left, double[] right) = Factors(expert);
            return _context.Arithmetic.Product(Height, Width, _rank, left, right);
        }

        private FactorNorms Norms(int expert)
        {
            (double[] left, double[] right) = Factors(expert);
            return new(left, right, Height, Width);
        }

        /// <summary>The factors of one expert's rows as they are stored: B and A, or Aᵀ and Bᵀ.</summary>
        private (double[] Left, double[] Right) Factors(int expert)
        {
            double[] down = new double[_rank * _inputs], up = new double[_outputs * _rank];
            _context.Arithmetic.Read(_delta.Down, (long)expert * down.Length, down);
            int wide = checked((int)_delta.Up.Shape[1]), first = (int)_delta.First(expert), stride = (int)_delta.Stride;
            for (int o = 0; o < _outputs; o++)
            {
                for (int j = 0; j < _rank; j++)
                {
                    up[(o * _rank) + j] = _up[((long)o * wide) + first + (j * stride)];
                }
            }

            return _turned ? (Transposition.Of(down, _rank, _inputs), Transposition.Of(up, _outputs, _rank)) : (up, down);
        }
    }
}

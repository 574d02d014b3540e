using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// MiSS (before: Bone): ΔW[o, i] = M[i mod r, o], a matrix of rank r; the mini form repeats the columns of M too, M[i mod r, o mod c].
/// Source: arXiv 2409.15371; PEFT. See spec/algebra.md, "MiSS".
/// </summary>
public sealed class MissDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="block">M: [r, out], of the mini form [r, c] with c a divisor of out.</param>
    /// <param name="isMini">Whether it is the mini form.</param>
    /// <exception cref="InvalidAdapterException">The block has no real values, or is no matrix.</exception>
    public MissDelta(ParameterName target, TensorValue block, bool isMini)
        : base(target)
    {
        RequireValues(target, block);
        if (block.Shape.Rank != 2) throw Unfit(target, block, $"the block is {block.Shape}; expected [r, {(isMini ? "a divisor of out" : "out")}]");
        (Block, IsMini) = (block, isMini);
    }

    /// <inheritdoc/>
    public override string Kind => "miss";

    /// <summary>M: [r, out] or [r, c].</summary>
    public TensorValue Block { get; }

    /// <summary>Whether the columns of M repeat.</summary>
    public bool IsMini { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(Block.Shape[0]);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Block];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) =>
        weight.Rank == 2 && (IsMini ? weight[0] % Block.Shape[1] == 0 : weight[0] == Block.Shape[1]);

    /// <inheritdoc/>
    internal override string Wanted => IsMini ? $"[a multiple of {Block.Shape[1]}, in]" : $"[{Block.Shape[1]}, in]";

    /// <summary>Mᵀ times the identity repeated: rank r.</summary>
    internal override LowRankFactors? ExactFactors(TensorShape weight)
    {
        (long period, long rank) = (Block.Shape[1], Block.Shape[0]);
        if (rank >= Math.Min(weight[0], weight[1])) return null;
        RowTensor up = new(Block.Name, new(weight[0], rank), [Block], () =>
        {
            double[] block = Block.ToDoubles();
            return (o, values) => Column(block, (int)(o % period), values);
        });
        RowTensor down = new(Block.Name, new(rank, weight[1]), [Block], () => (q, values) =>
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = i % rank == q ? 1 : 0;
            }
        });
        return new(down, up, 1);
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) =>
        new Contribution(context.Read(Block), (int)Block.Shape[0], (int)Block.Shape[1], context.Columns);

    /// <summary>A column of M, as long as M has rows.</summary>
    private static void Column(double[] block, int column, Span<double> values)
    {
        int columns = block.Length / values.Length;
        for (int q = 0; q < values.Length; q++)
        {
            values[q] = block[(q * columns) + column];
        }
    }

    private sealed class Contribution(double[] block, int rank, int period, int columns) : IContribution
    {
        // A short pattern is repeated, so that it is added in few long pieces.
        private const int FewestElements = 512;

        private readonly int _length = rank * Math.Max(1, Math.Min(FewestElements, columns) / rank);

        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer pattern = new(_length);
            for (int i = 0; i < rows; i++)
            {
                Column(block, (int)((firstRow + i) % period), pattern.Values[..rank]);
                for (int at = rank; at < _length; at++) pattern.Values[at] = pattern.Values[at - rank];
                Span<double> row = sum.Slice(i * columns, columns);
                for (; !row.IsEmpty; row = row[Math.Min(_length, row.Length)..])
                {
                    RowLoops.AddScaled(pattern.Values[..Math.Min(_length, row.Length)], weight, row);
                }
            }
        }

        public void Dispose()
        {
        }
    }
}

using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Bat, the block-affine form of MiSS: with W in blocks of r × r, W'ₖ꜀ = Wₖ꜀ + Wₖ꜀·Mₖ + Mₖ, one M per block row. So
/// ΔW[k·r + a, c·r + b] = Σⱼ W[k·r + a, c·r + j] · M[k, j, b] + M[k, a, b]. Source: arXiv 2409.15371; PEFT. See spec/algebra.md, "MiSS".
/// </summary>
public sealed class BatDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="blocks">M: [out/r, r, r].</param>
    /// <exception cref="InvalidAdapterException">The blocks have no real values, or another shape.</exception>
    public BatDelta(ParameterName target, TensorValue blocks)
        : base(target)
    {
        RequireValues(target, blocks);
        bool square = blocks.Shape.Rank == 3 && blocks.Shape[1] == blocks.Shape[2] && RowTensor.Fits(blocks.Shape[0], blocks.Shape[1]) && RowTensor.Fits(blocks.Shape[1], blocks.Shape[1]);
        if (!square) throw Unfit(target, blocks, $"the blocks are {blocks.Shape}; expected [out/r, r, r]");
        Blocks = blocks;
    }

    /// <inheritdoc/>
    public override string Kind => "bat";

    /// <summary>M: [out/r, r, r].</summary>
    public TensorValue Blocks { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Blocks];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank == 2 && weight[0] == Blocks.Shape[0] * Blocks.Shape[1] && weight[1] % Blocks.Shape[1] == 0;

    /// <inheritdoc/>
    internal override string Wanted => $"[{Blocks.Shape[0] * Blocks.Shape[1]}, a multiple of {Blocks.Shape[1]}]";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(Blocks, (int)Blocks.Shape[1], context.Columns, context.Base, context.Arithmetic);

    private sealed class Contribution(TensorValue blocks, int size, int columns, IBaseRows rowsOfBase, IContributionArithmetic arithmetic) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum) => AddRows(firstRow, rows, weight, false, @base, sum);

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer w = new(rows * columns);
            rowsOfBase.Read(firstRow, rows, w.Values);
            RowLoops.Magnitudes(w.Values);
            AddRows(firstRow, rows, Math.Abs(weight), true, w.Values, sum);
        }

        public void Dispose()
        {
        }

        private void AddRows(long firstRow, int rows, double weight, bool absolute, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer block = new(size * size);
            for (int i = 0; i < rows; i++)
            {
                (long blockRow, int a) = ((firstRow + i) / size, (int)((firstRow + i) % size));
                if (i == 0 || a == 0) Read(blockRow, absolute, block.Values);
                for (int column = 0; column < columns; column += size)
                {
                    Span<double> row = sum.Slice((i * columns) + column, size);
                    ReadOnlySpan<double> w = @base.Slice((i * columns) + column, size);
                    for (int j = 0; j < size; j++)
                    {
                        RowLoops.AddScaled(block.Values.Slice(j * size, size), w[j] * weight, row);
                    }

                    RowLoops.AddScaled(block.Values.Slice(a * size, size), weight, row);
                }
            }
        }

        private void Read(long blockRow, bool absolute, Span<double> block)
        {
            arithmetic.Read(blocks, blockRow * size * size, block);
            if (absolute) RowLoops.Magnitudes(block);
        }
    }
}
